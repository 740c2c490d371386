"""The sections of report.md that are made of measurements: curves, losses, maps, rates."""

from __future__ import annotations

from parity.report import summary
from parity.report.lockstep import LockstepRow, make_lockstep_rows
from parity.report.notation import show_figure, show_loss
from parity.report.room import Room
from parity.report.schema import Report


def render_curves(report: Report, room: Room) -> list[str]:
    """Return a table for each curve of errors along the network."""
    lines = []
    headers = ("Tap", "float64:", "limit:", "float32:", "noise floor:", "limit:")
    for gate, curve in list(report["curves"].items())[: room.rows]:
        rows = summary.make_curve_rows(curve)
        lines += [f"### {room.text(summary.CURVE_TITLES.get(gate, gate))}", ""]
        lines += room.table(headers, rows, lambda row: (room.code(row[0]), *map(show_figure, row[1:])))
    return lines


def render_lockstep(report: Report, room: Room) -> list[str]:
    """Return the losses of training in lockstep, step by step."""
    headers = ("Step:", "Epoch", "Legacy:", "Port:", "Relative difference:")
    return room.table(headers, make_lockstep_rows(report["lockstep"]), _loss_cells)


def _loss_cells(row: LockstepRow) -> list[str]:
    losses = [show_loss(row.reference), show_loss(row.candidate)]
    return [str(row.step), "starts" if row.starts_epoch else "", *losses, show_figure(row.difference)]


def render_gradcam(report: Report, room: Room) -> list[str]:
    """Return the errors of the Grad-CAM maps."""
    headers = ("Image, worst first", "Input", "Error:", "Dead map", "Legacy's answer")
    return room.table(headers, report["gradcam"], lambda row: _map_cells(row, room))


def _map_cells(row: summary.Check, room: Room) -> list[str]:
    answer = {True: "right", False: "wrong", None: ""}[row["correct"]]
    dead = {(False, False): "no", (True, True): "both", (True, False): "legacy", (False, True): "port"}[tuple(row["dead"])]
    return [room.code(row["image"]), room.text(row["kind"]), show_figure(row["error"]), dead, answer]


def render_throughput(report: Report, room: Room) -> list[str]:
    """Return how fast each side is."""
    headers = ("What", "Legacy:", "Port:", "Unit", "Speed of port / legacy:", "Conditions")
    return room.table(headers, report["throughput"], lambda row: _rate_cells(row, room))


def _rate_cells(row: summary.Check, room: Room) -> list[str]:
    figures = [show_figure(row["reference"]), show_figure(row["candidate"])]
    ratio = show_figure(row["ratio"])
    return [room.text(row["what"]), *figures, room.text(row["unit"]), ratio, room.text(row["conditions"])]
