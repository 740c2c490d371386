"""The compiled metrics and the test figures of the port, batch by batch on the predictions that the legacy got."""

from __future__ import annotations

import numpy as np

from parity.artefact import RecordingWriter
from parity.gates.metrics.contract import FIXTURES, HISTORY, HISTORY_SEEDS, NUM_CLASSES, Predictions, fixture_array
from parity.sides.port import PortSide
from parity.sides.port_head import fit_history
from parity.training import cut, make_epoch
from torch_port import metrics


def record(side: PortSide, out: RecordingWriter) -> None:
    compiled = metrics.make_compiled_metrics(NUM_CLASSES).to(side.device)
    figures = metrics.make_test_metrics(NUM_CLASSES).to(side.device)
    found: dict[str, list[np.ndarray]] = {}
    for name in FIXTURES:
        given = _read_fixture(side, name)
        out.write_array(fixture_array(name, "probabilities"), given.probabilities, "NK")
        out.write_array(fixture_array(name, "labels"), given.labels, "N")
        for prefix, collection in (("", compiled), ("test/", figures)):
            for batch in given.batches():
                collection.update(*(side.tensor(values, "float32", "NK") for values in batch))
            for metric, value in collection.compute().items():
                found.setdefault(prefix + metric, []).append(value.cpu().numpy())
            collection.reset()
    for metric, values in found.items():
        stacked = np.stack(values).astype(np.float64)
        out.write_array(metric, stacked, "NKO"[: stacked.ndim])
    history = fit_history(side, "float32", *(cut(make_epoch(seed)) for seed in HISTORY_SEEDS))
    for metric in HISTORY:
        out.write_array(f"history/{metric}", np.array(history[metric]), "N")


def _read_fixture(side: PortSide, name: str) -> Predictions:
    legacy = side.workspace.recording("legacy", "metrics")
    probabilities, labels = (np.array(legacy.read_array(fixture_array(name, part))) for part in ("probabilities", "labels"))
    return Predictions(probabilities=probabilities, labels=labels)
