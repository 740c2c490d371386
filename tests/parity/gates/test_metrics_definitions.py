"""The injected predictions, and the oracles: by hand, and against definitions written out another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from parity.contract import BATCH_SIZE
from parity.gates.metrics import oracles
from parity.gates.metrics.contract import COMPILED, FIGURES, FIXTURES, NUM_CLASSES, make_fixtures
from parity.gates.metrics.definitions import DEFINITIONS

PREDICTIONS = make_fixtures()
SCALARS = [name for name in (*COMPILED, *FIGURES) if name != "test/confusion_matrix"]


def evaluate(name: str, fixture: str) -> float | np.ndarray:
    return DEFINITIONS[name].oracle(PREDICTIONS[fixture].probabilities, PREDICTIONS[fixture].labels)


def test_every_metric_has_a_definition():
    assert tuple(DEFINITIONS) == (*COMPILED, *FIGURES)


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if DEFINITIONS[name].textbook])
def test_the_textbook_differs_clearly(name: str):
    definition = DEFINITIONS[name]
    assert definition.textbook is not None
    fixture = PREDICTIONS[definition.fixture]
    textbook = definition.textbook(fixture.probabilities, fixture.labels)
    assert np.isnan(textbook) or abs(textbook - evaluate(name, definition.fixture)) > 0.01


@pytest.mark.parametrize("fixture", FIXTURES)
def test_injected_predictions_are_probabilities_with_a_short_last_batch(fixture: str):
    made = PREDICTIONS[fixture]
    assert (made.probabilities.dtype, made.labels.dtype) == (np.float32, np.int64)
    assert len(made.labels) == len(made.probabilities) == FIXTURES[fixture][0]
    assert made.probabilities.min() >= 0
    assert made.probabilities.sum(axis=1, dtype=np.float64) == pytest.approx(1.0, abs=1e-6)
    sizes = [len(labels) for _, labels in made.batches()]
    assert set(sizes[:-1]) == {BATCH_SIZE}
    assert 0 < sizes[-1] < BATCH_SIZE


def test_injected_predictions_are_what_their_names_say():
    made = {name: fixture.probabilities for name, fixture in PREDICTIONS.items()}
    assert set(np.unique(made["certain"])) == {0.0, 1.0}
    assert (made["half"] == 0.5).any(axis=1).mean() > 0.4
    best = np.sort(made["tied"], axis=1)
    assert (best[:, 2] == best[:, 1]).mean() > 0.5
    assert (best[:, 1] == best[:, 0]).mean() > 0.4
    assert 2 not in np.union1d(PREDICTIONS["absent"].labels, made["absent"].argmax(axis=1))
    assert 1 in set(made["unlabelled"].argmax(axis=1)) - set(PREDICTIONS["unlabelled"].labels)
    assert 0 in set(PREDICTIONS["unpredicted"].labels) - set(made["unpredicted"].argmax(axis=1))
    assert len(np.unique(made["constant"], axis=0)) == 1
    assert all(evaluate(name, "perfect") == 1.0 for name in SCALARS)
    assert made["on_steps"] * 199.0 == pytest.approx(np.round(made["on_steps"] * 199.0), abs=1e-4)
    assert [name for name in FIXTURES if np.isnan(evaluate("test/roc_auc", name))] == ["absent", "unlabelled"]


@pytest.mark.parametrize("percent", [90, 95, 99])
def test_a_recall_is_reached_exactly(percent: int):
    """More than this recall is not enough: the precision of the next threshold is another."""
    fixture = PREDICTIONS["recalls"]
    more = oracles.precision_at_recall(percent / 100 + 1e-9)(fixture.probabilities, fixture.labels)
    assert evaluate(f"metrics/P@R_{percent}", "recalls") - more > 0.01


@pytest.mark.filterwarnings("ignore:A single label was found")  # the last batch
@pytest.mark.parametrize("name", [name for name in SCALARS if name != "test/roc_auc"])
def test_accumulated_counts_differ_from_the_mean_of_batches(name: str):
    fixture = PREDICTIONS["drifting"]
    batches = [(rows, labels.argmax(axis=1)) for rows, labels in fixture.batches()]
    mean = np.mean([DEFINITIONS[name].oracle(*batch) for batch in batches])
    assert abs(mean - evaluate(name, "drifting")) > 0.02


def test_macro_f1_differs_from_micro():
    fixture = PREDICTIONS["diffuse"]
    micro = sklearn.f1_score(fixture.labels, fixture.probabilities.argmax(axis=1), average="micro")
    assert abs(micro - evaluate("metrics/F1-macro", "diffuse")) > 0.05


BY_HAND = np.array([[0.6, 0.4, 0.0], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], np.float32)
BY_HAND_LABELS = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metrics/accuracy", 1 / 4),
        ("metrics/top-2-accuracy", 3 / 4),
        ("metrics/F1-macro", (2 / 5 + 2 * (1 * 1) / (1 + 1)) / 3),  # ties predict both: class 0 has tp 1, fp 2, fn 1
        ("metrics/AUC", (1 / 2 + 7 / 8 + 0) / 3),
        ("metrics/precision", 1 / 2),
        ("metrics/recall", 1 / 4),
        ("metrics/P@R_90", 4 / 10),  # everything above 0 but the 0s
        ("metrics/MCC", (1 * 4 - 2 * 3) / np.sqrt((16 - 8) * (16 - 10))),
        ("test/accuracy", 1 / 4),
        ("test/precision", (1 / 3 + 0 + 0) / 3),
        ("test/recall", (1 / 2 + 0 + 0) / 3),
    ],
)
def test_oracles_by_hand(name: str, value: float):
    assert DEFINITIONS[name].oracle(BY_HAND, BY_HAND_LABELS) == pytest.approx(value, abs=1e-12)


def test_the_confusion_matrix_by_hand():
    expected = [[0.5, 0, 0.5], [1, 0, 0], [0, 0, 0]]
    assert np.array_equal(oracles.row_shares(BY_HAND, BY_HAND_LABELS), expected)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = np.exp(rng.normal(scale=2.0, size=(41, NUM_CLASSES)))
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32), np.arange(41) % NUM_CLASSES


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_stepped_area_is_the_sum_of_trapezoids(seed: int):
    probabilities, labels = draw(seed)
    thresholds = np.arange(200) / 199
    thresholds[[0, -1]] = -1e-7, 1 + 1e-7
    above = probabilities[:, None, :] > thresholds[None, :, None]
    areas = [
        -np.trapezoid(above[labels == label, :, label].mean(axis=0), above[labels != label, :, label].mean(axis=0))
        for label in range(NUM_CLASSES)
    ]
    assert oracles.stepped_area(probabilities, labels) == pytest.approx(np.mean(areas), abs=1e-12)


@given(seed=st.integers(0, 10_000), least=st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_precision_at_recall_is_the_best_of_200_thresholds(seed: int, least: float):
    probabilities, labels = draw(seed)
    positive = oracles.members(probabilities, labels).ravel()
    above = probabilities.reshape(-1, 1) > np.arange(200) / 199
    hits, chosen = above[positive].sum(axis=0), above.sum(axis=0)
    reached = [hits[i] / chosen[i] for i in range(200) if hits[i] / positive.sum() >= least and chosen[i]]
    assert oracles.precision_at_recall(least)(probabilities, labels) == pytest.approx(max(reached, default=0.0), abs=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_oracles_worked_out_by_hand_are_scikit_learns(seed: int):
    probabilities, labels = draw(seed)
    predicted = probabilities.argmax(axis=1)
    options = {"average": "macro", "zero_division": 0.0}
    expected = {
        "test/roc_auc": sklearn.roc_auc_score(oracles.members(probabilities, labels), probabilities),
        "test/accuracy": sklearn.accuracy_score(labels, predicted),
        "test/precision": sklearn.precision_score(labels, predicted, **options),
        "test/recall": sklearn.recall_score(labels, predicted, **options),
        "test/confusion_matrix": sklearn.confusion_matrix(labels, predicted, labels=range(NUM_CLASSES), normalize="true"),
    }
    for name, value in expected.items():
        assert DEFINITIONS[name].oracle(probabilities, labels) == pytest.approx(value, abs=1e-14)
