"""What both recorders of the metrics gate and its comparison agree on: the names, and the injected predictions.

The legacy recorder makes the predictions and stores them as bytes; the port and the comparison read those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.contract import BATCH_SIZE, CLASSES

COMPILED = tuple(
    f"metrics/{name}"
    for name in (
        "accuracy", "top-2-accuracy", "F1-macro", "AUC", "precision", "recall", "P@R_99", "P@R_95", "P@R_90", "MCC"
    )
)  # fmt: skip
FIGURES = tuple(f"test/{name}" for name in ("roc_auc", "accuracy", "precision", "recall", "confusion_matrix"))
# The compiled metrics of two epochs of training and validation, as the history of each side's own training has them. The
# epochs differ, for what was not begun anew is the same figure on the same batches.
HISTORY_SEEDS = (20, 21)
HISTORY = tuple(f"{prefix}{name}" for prefix in ("", "val_") for name in COMPILED)
NUM_CLASSES = len(CLASSES)
STEPS = 199  # between the 200 thresholds of Keras
_SEED = 17

Made = tuple[np.ndarray, np.ndarray]  # probabilities (N, K) in float64, labels (N,)
Maker = Callable[[int, np.random.Generator], Made]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Injected predictions: probabilities (N, K) in float32 and label indices (N,) in int64."""

    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def one_hot(self) -> np.ndarray:
        """Labels (N, K) in float32, as both pipelines hand them out."""
        return np.asarray(np.eye(NUM_CLASSES, dtype=np.float32)[self.labels])

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield probabilities and one-hot labels of each batch; the last one is short."""
        for start in range(0, len(self.labels), BATCH_SIZE):
            rows = slice(start, start + BATCH_SIZE)
            yield self.probabilities[rows], self.one_hot[rows]


def make_fixtures() -> dict[str, Predictions]:
    """Return the injected predictions by name, in the order of `FIXTURES`."""
    return {name: _make(name, *entry) for name, entry in FIXTURES.items()}


def fixture_array(fixture: str, part: str) -> str:
    """Return the name under which ``probabilities`` or ``labels`` of a fixture are recorded."""
    return f"fixtures/{fixture}/{part}"


def _make(name: str, count: int, make: Maker) -> Predictions:
    probabilities, labels = make(count, np.random.default_rng([_SEED, *name.encode()]))
    return Predictions(probabilities=probabilities.astype(np.float32), labels=labels.astype(np.int64))


def _softmax(scores: np.ndarray) -> np.ndarray:
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def _draw(rng: np.random.Generator, labels: np.ndarray, *, scale: float, bonus: float) -> np.ndarray:
    """Return probabilities (N, K) of normal scores; the label's score has a bonus."""
    return _softmax(rng.normal(scale=scale, size=(len(labels), NUM_CLASSES)) + bonus * np.eye(NUM_CLASSES)[labels])


def _tile(rows: list[list[float]], labels: list[int], count: int) -> Made:
    """Repeat hand-written rows and labels until there are `count`."""
    places = np.arange(count)
    return np.array(rows)[places % len(rows)], np.array(labels)[places % len(labels)]


def _diffuse(count: int, rng: np.random.Generator) -> Made:
    """Hardly sure of anything, classes unbalanced."""
    labels = rng.choice(NUM_CLASSES, size=count, p=(0.6, 0.3, 0.1))
    return _draw(rng, labels, scale=0.8, bonus=0.7), labels


def _peaked(count: int, rng: np.random.Generator) -> Made:
    """All too sure: most probabilities lie in the first or the last of the 199 steps."""
    labels = rng.integers(0, NUM_CLASSES, count)
    return _draw(rng, labels, scale=12.0, bonus=12.0), labels


def _certain(count: int, rng: np.random.Generator) -> Made:
    """Exactly 0 and exactly 1, a third of them wrong."""
    labels = rng.integers(0, NUM_CLASSES, count)
    wrong = rng.uniform(size=count) < 1 / 3
    return np.eye(NUM_CLASSES)[(labels + wrong) % NUM_CLASSES], labels


def _half(count: int, _: np.random.Generator) -> Made:
    """Exactly 0.5, which is not above the threshold of precision and recall."""
    rows = [[0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [0.125, 0.5, 0.375], [0.0, 0.25, 0.75], [0.625, 0.25, 0.125]]
    return _tile(rows, [0, 1, 1, 2, 0, 0, 2], count)


def _tied(count: int, _: np.random.Generator) -> Made:
    """Ties for the first and for the second place; the label is among them, before or behind, or not."""
    rows = [[0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3], [0.2, 0.4, 0.4], [0.25, 0.25, 0.5], [0.5, 0.25, 0.25], [0.4, 0.2, 0.4]]
    return _tile(rows, [0, 1, 2, 1, 2], count)


def _absent(count: int, rng: np.random.Generator) -> Made:
    """The last class is neither a label nor a prediction."""
    labels = rng.integers(0, NUM_CLASSES - 1, count)
    scores = np.log(_draw(rng, labels, scale=1.0, bonus=1.0))
    scores[:, -1] = scores.min(axis=1) - 1.0
    return _softmax(scores), labels


def _unlabelled(count: int, rng: np.random.Generator) -> Made:
    """The middle class is predicted but is no label."""
    labels = 2 * rng.integers(0, 2, count)
    return _draw(rng, labels, scale=1.5, bonus=1.0), labels


def _unpredicted(count: int, rng: np.random.Generator) -> Made:
    """The first class is a label but is never predicted."""
    labels = rng.integers(0, NUM_CLASSES, count)
    scores = np.log(_draw(rng, labels, scale=1.0, bonus=1.0))
    scores[:, 0] = scores.min(axis=1) - 0.1
    return _softmax(scores), labels


def _constant(count: int, _: np.random.Generator) -> Made:
    """One and the same prediction: the correlation is 0/0."""
    return _tile([[0.2, 0.5, 0.3]], [0, 1, 2, 1, 1], count)


def _perfect(count: int, rng: np.random.Generator) -> Made:
    """Every prediction right and above one half."""
    labels = np.arange(count) % NUM_CLASSES
    return (_draw(rng, labels, scale=1.0, bonus=0.0) + 1.5 * np.eye(NUM_CLASSES)[labels]) / 2.5, labels


def _drifting(count: int, rng: np.random.Generator) -> Made:
    """Labels in order of class and the short last batch all wrong: no batch is like the whole."""
    labels = np.sort(rng.choice(NUM_CLASSES, size=count, p=(0.5, 0.3, 0.2)))
    probabilities = _draw(rng, labels, scale=1.0, bonus=1.5)
    last = count - count % BATCH_SIZE
    probabilities[last:] = np.roll(_draw(rng, labels[last:], scale=0.5, bonus=3.0), 1, axis=1)
    return probabilities, labels


def _recalls(count: int, rng: np.random.Generator) -> Made:
    """A hundred labels: thresholds at which the pooled recall is exactly 0.90, 0.95 and 0.99, each with other precision."""
    labels = rng.permutation(np.arange(count) % NUM_CLASSES)
    own = rng.permutation(np.repeat([0.8, 0.45, 0.3, 0.08], (90, 5, 4, 1)))
    second = (1.0 - own) * rng.uniform(0.55, 1.0, count)
    rows = np.stack([own, second, 1.0 - own - second], axis=1)
    places = (np.arange(NUM_CLASSES) - labels[:, None]) % NUM_CLASSES  # the first column is the label's
    return np.take_along_axis(rows, places, axis=1), labels


def _on_steps(count: int, rng: np.random.Generator) -> Made:
    """Every probability on one of the 200 thresholds."""
    cuts = np.sort(rng.integers(0, STEPS + 1, (count, NUM_CLASSES - 1)), axis=1)
    return np.diff(cuts, axis=1, prepend=0, append=STEPS) / STEPS, rng.integers(0, NUM_CLASSES, count)


# Number of images, never a multiple of the batch, and how they are made.
FIXTURES: Mapping[str, tuple[int, Maker]] = {
    "diffuse": (45, _diffuse),
    "peaked": (61, _peaked),
    "certain": (21, _certain),
    "half": (19, _half),
    "tied": (30, _tied),
    "absent": (35, _absent),
    "unlabelled": (29, _unlabelled),
    "unpredicted": (37, _unpredicted),
    "constant": (13, _constant),
    "perfect": (26, _perfect),
    "drifting": (43, _drifting),
    "recalls": (100, _recalls),
    "on_steps": (69, _on_steps),
}
