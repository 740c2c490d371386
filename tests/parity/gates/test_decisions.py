"""Decisions: changes, ties, figures against hand-worked numbers, and a probe without power."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from parity.artefact import ArtefactError, RecordingWriter
from parity.gates.decisions import compare as gate
from parity.gates.decisions import figures
from parity.gates.decisions.contract import link_images
from parity.gates.decisions.ledger import Row, find_ties, margin
from parity.judge import compare_gate
from parity.tolerance import Limit
from parity.verdict import GateResult, Verdict
from parity.workspace import Workspace

from .conftest import LABELS, HandmadeRun, probabilities


def evaluate(run: HandmadeRun, reference: np.ndarray, candidate: np.ndarray, raw: np.ndarray | None = None) -> GateResult:
    """Put probabilities into every place that the gate reads and compare."""
    for kind in ("evaluation", "augmented"):
        for dtype in ("float64", "float32"):
            name = f"{dtype}/{kind}/probabilities"
            run.legacy.arrays[name] = (reference.astype(dtype), "NK")
            run.port.arrays[name] = (candidate.astype(dtype), "NK")
    cases = run.workspace.cases("evaluation")
    for side, rows in (("legacy", reference), ("port", candidate if raw is None else raw)):
        rounded = rows.astype(np.float32)
        members = {
            split: figures.summary(
                np.array([case.label for case in cases if case.split == split]),
                np.stack([rounded[case.index] for case in cases if case.split == split]).astype(np.float64),
            )
            for split in ("val", "test")
        }
        run.write_evaluation(side, {case.image: rounded[case.index] for case in cases}, members)
    write_predict(run, candidate if raw is None else raw)
    return compare(run)


def write_predict(run: HandmadeRun, rows: np.ndarray) -> None:
    """Have ``predict`` answer as ``evaluate`` does."""
    rounded = rows.astype(np.float32)
    answers = {case.image: rounded[case.index].tolist() for case in run.workspace.cases("evaluation")}
    run.predict.values = {"predict/rows": answers, "predict/exit_code": 0}


def compare(run: HandmadeRun) -> GateResult:
    """Write what the gate reads, and ask it."""
    with RecordingWriter(run.workspace.recording_folder("port", "decisions"), key="key") as out:
        for name, value in run.predict.values.items():
            out.write_value(name, value)
    return run.compare("inference", gate.compare)


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def test_equal_answers_pass(handmade: HandmadeRun):
    rows = probabilities()
    result = evaluate(handmade, rows, rows)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 12 + 3 * 6


def test_one_flipped_decision_fails_and_is_named(handmade: HandmadeRun):
    rows, changed = probabilities(), probabilities()
    changed[3] = changed[3][[1, 0, 2]]
    result = evaluate(handmade, rows, changed)
    assert "decisions/float32/evaluation/changed" in failed(result)
    check = next(check for check in result.checks if check.id == "decisions/float32/evaluation/changed")
    assert check.worst.startswith("nor_20x_3.jpg: nor to aca")
    assert "decisions/float32/evaluation/test/per_class" in failed(result)


def test_a_flip_within_the_measured_error_is_a_tie(handmade: HandmadeRun):
    rows = probabilities()
    rows[0] = [0.4 + 1e-7, 0.4, 0.2 - 1e-7]
    changed = rows.copy()
    changed[0] = [0.4, 0.4 + 2e-7, 0.2 - 2e-7]
    changed[1] += [6e-7, -6e-7, 0.0]
    result = evaluate(handmade, rows, changed)
    assert failed(result) == []
    check = next(check for check in result.checks if check.id == "decisions/float32/evaluation/changed")
    assert check.reason.startswith("1 ties")


def test_a_tie_of_one_split_by_the_error_of_the_other_is_one_for_every_check(handmade: HandmadeRun):
    """Whether a flip means something is decided once for all images of a kind, not anew for each split."""
    rows = probabilities()
    rows[0] = [0.4 + 1e-7, 0.4, 0.2 - 1e-7]  # of the split val
    changed = rows.copy()
    changed[0] = [0.4, 0.4 + 1e-7, 0.2 - 1e-7]
    changed[1] += [6e-7, -6e-7, 0.0]  # of the split test
    changed[0] += [0.0, 1.5e-7, -1.5e-7]
    result = evaluate(handmade, rows, changed)
    assert failed(result) == []


def test_an_image_that_comes_twice_is_two_rows():
    answers = {"reference": np.array([0.5, 0.4, 0.1]), "candidate": np.array([0.4, 0.5, 0.1])}
    twice = [Row(image="a", kind="raw", split="", label=0, **answers) for _ in range(2)]
    assert find_ties(twice, Limit(value=1.0, reason="any")) == set(twice)
    assert gate._changed_check("raw", twice, set(twice[:1])).observed == 1.0


def test_a_large_error_makes_no_tie(handmade: HandmadeRun):
    rows, changed = probabilities(confidence=0.4), probabilities(confidence=0.4)
    changed[:, [0, 1]] = changed[:, [1, 0]]
    assert "decisions/float32/evaluation/changed" in failed(evaluate(handmade, rows, changed))


@pytest.mark.parametrize("same", [np.array([0.5, 0.3, 0.2]), np.full(3, 1 / 3)])
def test_a_constant_answer_has_no_power(handmade: HandmadeRun, same: np.ndarray):
    rows = np.tile(same, (6, 1))
    result = evaluate(handmade, rows, rows)
    assert result.verdict is Verdict.INCONCLUSIVE


def test_an_image_that_one_command_left_out_fails(handmade: HandmadeRun):
    rows = probabilities()
    evaluate(handmade, rows, rows)
    path = handmade.workspace.evaluation_output("port") / "predictions.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    result = compare(handmade)
    assert "decisions/exact/raw/images" in failed(result)
    assert result.compared < result.expected


def test_raw_predictions_that_drift_fail(handmade: HandmadeRun):
    rows = probabilities()
    result = evaluate(handmade, rows, rows, raw=rows + np.array([2e-4, -1e-4, -1e-4]))
    assert "decisions/float32/raw/probabilities/max_abs" in failed(result)


def test_a_wrong_figure_in_a_report_fails(handmade: HandmadeRun):
    rows = probabilities()
    evaluate(handmade, rows, rows)
    path = handmade.workspace.evaluation_output("port") / "metrics.json"
    path.write_text(path.read_text().replace('"accuracy": 1.0', '"accuracy": 0.99'))
    assert failed(compare(handmade)) == [
        "decisions/float32/raw/port/val/figures",
        "decisions/float32/raw/port/test/figures",
    ]


def test_figures_by_hand():
    labels = np.array([0, 0, 1, 2])
    rows = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    aca, nor, scc = figures.per_class(labels, rows)
    assert (aca["support"], aca["precision"], aca["recall"]) == (2, 1.0, 0.5)
    assert aca["f1"] == pytest.approx(2 / 3)
    assert aca["mcc"] == pytest.approx((1 * 2 - 0 * 1) / np.sqrt(1 * 2 * 2 * 3))
    assert (nor["precision"], nor["recall"]) == (0.5, 1.0)
    assert aca["roc_auc"] == pytest.approx((1 + 1 + 0.5 + 1) / 4), "pairs in order, a tie counts half"
    assert scc["roc_auc"] == 1.0
    assert figures.confusion(labels, rows.argmax(axis=1)) == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    summary = figures.summary(labels, rows)
    assert summary["accuracy"] == 0.75
    assert summary["confusion_matrix"][0] == [0.5, 0.5, 0.0]
    assert summary["roc_auc"] == pytest.approx(roc_auc_score(np.eye(3)[labels], rows, average="macro"))
    assert np.mean([aca["f1"], nor["f1"], scc["f1"]]) == pytest.approx(f1_score(labels, rows.argmax(axis=1), average="macro"))


def test_an_absent_class_has_no_area():
    found = figures.per_class(np.array([0, 1]), probabilities((0, 1)))
    assert found[2]["roc_auc"] is None
    assert figures.summary(np.array([0, 1]), probabilities((0, 1)))["roc_auc"] is None


def test_the_share_of_pairs_that_noise_can_swap():
    positive = np.array([True, True, False, False])
    score = np.array([0.5, 0.9, 0.5 - 1e-7, 0.1])
    assert figures.swappable_share(positive, score, 1e-6) == 0.25
    assert figures.swappable_share(positive, score, 1e-9) == 0.0


def test_margins_by_hand():
    row = Row(
        image="a",
        kind="raw",
        split="val",
        label=0,
        reference=np.array([0.5, 0.2, 0.3]),
        candidate=np.array([0.1, 0.45, 0.45]),
    )
    assert row.margins == (pytest.approx(0.2), 0.0)
    assert margin(np.array([0.2, 0.7, 0.1])) == pytest.approx(0.5)
    assert row.changed
    assert row.to_dict(tie=False)["candidate"]["prediction"] == "nor"
    assert LABELS[row.label] == 0


def test_probabilities_that_are_not_finite_are_no_ledger(handmade: HandmadeRun):
    rows = probabilities()
    evaluate(handmade, rows, rows)
    handmade.port.arrays["float32/evaluation/probabilities"][0][2, 1] = np.nan
    with pytest.raises(ArtefactError, match=r"^port: probabilities of the evaluation images"):
        compare(handmade)


@pytest.fixture
def predicted(handmade: HandmadeRun) -> HandmadeRun:
    rows = probabilities()
    evaluate(handmade, rows, rows)
    return handmade


def predict_failures(run: HandmadeRun) -> list[str]:
    return [check_id for check_id in failed(compare(run)) if "/predict/" in check_id]


def rows_of(run: HandmadeRun) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = run.predict.values["predict/rows"]
    return rows


def test_a_folder_of_links_has_every_image_by_split(handmade: HandmadeRun, tmp_path: Path):
    cases = handmade.workspace.cases("evaluation")
    link_images(tmp_path / "images", cases)
    links = {path.relative_to(tmp_path / "images").as_posix(): str(path.readlink()) for path in tmp_path.rglob("*.jpg")}
    assert links == {f"{case.split}/{case.image}": case.path for case in cases}


def test_an_image_that_predict_skips_in_silence_fails(predicted: HandmadeRun):
    del rows_of(predicted)["nor_20x_2.jpg"]
    result = compare(predicted)
    assert "decisions/exact/predict/images" in failed(result)
    assert result.expected - result.compared == 2


def test_an_image_that_predict_says_it_skipped_fails(predicted: HandmadeRun):
    predicted.predict.values["predict/exit_code"] = 1
    assert predict_failures(predicted) == ["decisions/exact/predict/images"]


def test_a_row_of_a_file_that_is_not_there_fails(predicted: HandmadeRun):
    rows_of(predicted)["another.jpg"] = [1.0, 0.0, 0.0]
    assert predict_failures(predicted) == ["decisions/exact/predict/images"]


def test_rows_that_are_paired_with_other_images_fail(predicted: HandmadeRun):
    rows = rows_of(predicted)
    first, *_, last = rows
    rows[first], rows[last] = rows[last], rows[first]
    found = predict_failures(predicted)
    assert "decisions/float32/predict/changed" in found
    assert "decisions/float32/predict/evaluate/max_abs" in found


@pytest.mark.parametrize(("error", "passes"), [(1e-7, True), (1e-5, False)])
def test_rows_may_differ_from_those_of_evaluate_by_rounding(predicted: HandmadeRun, error: float, passes: bool):
    row = next(iter(rows_of(predicted).values()))
    row[0] += error
    row[1] -= error
    assert ("decisions/float32/predict/evaluate/max_abs" not in predict_failures(predicted)) == passes


def test_rows_that_are_no_probabilities_of_an_image_fail(predicted: HandmadeRun):
    """As of a softmax over the images of a batch."""
    for row, other in zip(rows_of(predicted).values(), reversed(list(rows_of(predicted).values())), strict=True):
        row[2] = other[0] / 2
    assert "decisions/float32/predict/probabilities/max_abs" in predict_failures(predicted)


@pytest.mark.parametrize("name", ["predict/rows", "predict/exit_code"])
def test_a_value_of_predict_that_was_not_recorded_fails(predicted: HandmadeRun, name: str):
    del predicted.predict.values[name]
    assert "decisions/exact/predict/images" in predict_failures(predicted)


@pytest.mark.parametrize("row", [[0.5, 0.5], [0.5, 0.5, float("nan")]], ids=["two classes", "no number"])
def test_a_row_that_is_not_one_probability_for_each_class_is_refused(predicted: HandmadeRun, row: list[float]):
    rows_of(predicted)["nor_20x_2.jpg"] = row
    with pytest.raises(ArtefactError, match="rows of predict"):
        compare(predicted)


def test_a_port_that_recorded_no_predict_fails(predicted: HandmadeRun):
    shutil.rmtree(predicted.workspace.recording_folder("port", "decisions"))
    result = compare_gate("decisions", Workspace(predicted.workspace.folder), predicted.gates_file)
    assert result.verdict is Verdict.FAIL
