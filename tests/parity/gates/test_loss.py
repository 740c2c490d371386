"""The loss gate on losses worked out here, image by image."""

from __future__ import annotations

import math

import numpy as np
import pytest

from parity.gates.loss.compare import compare, image_losses
from parity.gates.loss.contract import EPOCH, make_cases
from parity.training import CLASS_WEIGHTS, EPOCH_LENGTHS, cut, make_epoch
from parity.verdict import GateResult, Verdict

from .conftest import HandmadeRun


def one_loss(logits: np.ndarray, label: int) -> float:
    """The definition, without the trick of subtracting the largest logit."""
    return math.log(sum(math.exp(value - logits[label]) for value in logits))


def losses(logits: np.ndarray, labels: np.ndarray, dtype: type) -> np.ndarray:
    rows = [(one_loss(row, int(label)), int(label)) for row, label in zip(logits, labels.argmax(axis=1), strict=True)]
    training = sum(loss * CLASS_WEIGHTS[label] for loss, label in rows) / len(rows)
    return np.array([training, sum(loss for loss, _ in rows) / len(rows)]).astype(dtype).astype(np.float64)


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    for name, (logits, labels) in {**make_cases(), EPOCH: make_epoch()}.items():
        handmade.both(f"inputs/{name}/logits", logits, "NK")
        handmade.both(f"inputs/{name}/labels", labels, "NK")
        for dtype in ("float64", "float32"):
            handmade.both(f"{dtype}/{name}", losses(logits, labels, np.dtype(dtype).type), "N")
    return handmade


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is not Verdict.PASS]


def test_the_definition_passes(run: HandmadeRun):
    result = run.compare("loss", compare)
    assert failed(result) == []
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 4 * 10


def test_a_division_by_the_sum_of_the_weights_is_seen(run: HandmadeRun):
    for name, (_, labels) in make_cases().items():
        weights = np.array(list(CLASS_WEIGHTS.values()))[labels.argmax(axis=1)]
        run.port.arrays[f"float64/{name}"][0][0] *= len(weights) / weights.sum()
    found = failed(run.compare("loss", compare))
    assert "loss/float64/unbalanced/loss" in found
    assert "loss/float64/oracle/port" in found
    assert not any(check.endswith("val_loss") or check.startswith("loss/float32") for check in found)


def test_a_weighted_validation_loss_is_seen(run: HandmadeRun):
    values = run.port.arrays["float32/unbalanced"][0]
    values[1] = values[0]
    assert failed(run.compare("loss", compare)) == ["loss/float32/unbalanced/val_loss", "loss/float32/oracle/port"]


def test_a_mean_of_batch_means_is_seen(run: HandmadeRun):
    means = [losses(*batch, np.float64) for batch in cut(make_epoch())]
    run.port.arrays[f"float64/{EPOCH}"] = (np.mean(means, axis=0), "N")
    found = failed(run.compare("loss", compare))
    assert found == ["loss/float64/epoch/loss", "loss/float64/epoch/val_loss", "loss/float64/oracle/port"]


def test_the_same_error_on_both_sides_is_seen_by_the_oracle(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays["float64/tied"][0][:] *= 1 + 1e-9
    assert failed(run.compare("loss", compare)) == ["loss/float64/oracle/legacy", "loss/float64/oracle/port"]


def test_other_logits_on_one_side_are_seen(run: HandmadeRun):
    run.port.arrays["inputs/mixed/logits"][0][0, 0] += 1e-12
    assert failed(run.compare("loss", compare)) == ["loss/exact/inputs/arrays"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_fails(run: HandmadeRun, value: float):
    run.port.arrays["float32/beyond_float32"][0][0] = value
    result = run.compare("loss", compare)
    assert result.verdict is Verdict.FAIL
    assert "elements are not finite" in str(result.first_failure)


def test_a_missing_case_fails(run: HandmadeRun):
    del run.port.arrays["float64/tied"]
    assert run.compare("loss", compare).verdict is Verdict.FAIL


def test_the_epoch_has_a_short_last_batch_with_another_loss():
    batches = cut(make_epoch())
    assert [len(labels) for _, labels in batches] == list(EPOCH_LENGTHS)
    means = [float(image_losses(batch).mean()) for batch in batches]
    assert means[-1] > 2 * max(means[:-1])
