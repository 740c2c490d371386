"""The losses against numpy, as Keras's formulas have them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from torch_port.errors import InputError
from torch_port.losses import EpochLoss, class_weighted_loss, image_losses, make_class_weights, validation_loss

LOGITS = np.array([[2.0, -1.0, 0.5], [80.0, -80.0, 0.0], [0.0, 0.0, 0.0], [-3.0, 4.0, 4.0], [1e3, 0.0, -1e3]])
CLASSES = np.array([0, 1, 2, 1, 2])  # the second and the last are as wrong as can be
WEIGHTS = {0: 0.5, 1: 1.25, 2: 3.0}


def losses_by_hand(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return log(sum(exp)) minus the logit of the class, with the largest logit taken out."""
    largest = logits.max(axis=1, keepdims=True)
    logs = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    return logs - logits[np.arange(len(classes)), classes]


def one_hot(classes: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.eye(3, dtype=np.float32)[classes])


@pytest.mark.parametrize(("dtype", "rel"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_no_logit_is_clipped(dtype: torch.dtype, rel: float):
    found = image_losses(torch.tensor(LOGITS, dtype=dtype), one_hot(CLASSES))
    assert found.dtype == dtype
    assert found.tolist() == pytest.approx(losses_by_hand(LOGITS, CLASSES), rel=rel)
    assert found[-1] == 2000


def test_the_weighted_loss_is_divided_by_the_number_of_images():
    losses = losses_by_hand(LOGITS, CLASSES)
    weights = np.array([WEIGHTS[label] for label in CLASSES])
    found = class_weighted_loss(torch.tensor(LOGITS), one_hot(CLASSES), make_class_weights(WEIGHTS, 3)).item()
    assert found == pytest.approx((weights * losses).sum() / 5, rel=1e-14)
    assert found != pytest.approx((weights * losses).sum() / weights.sum(), rel=0.1)


def test_weights_are_not_rounded_to_the_precision_of_the_logits():
    weights = make_class_weights({0: 1 / 3, 1: 1.0, 2: 1.0}, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = class_weighted_loss(torch.zeros(1, 3, dtype=torch.bfloat16), one_hot(np.array([0])), weights)
    assert found.item() == pytest.approx(np.log(3) / 3, rel=1e-6)


def test_validation_knows_no_weights():
    found = validation_loss(torch.tensor(LOGITS), one_hot(CLASSES)).item()
    assert found == pytest.approx(losses_by_hand(LOGITS, CLASSES).mean(), rel=1e-14)


def test_an_epoch_is_averaged_over_images_and_not_over_batches():
    losses = losses_by_hand(LOGITS, CLASSES)
    epoch = EpochLoss()
    for rows in (slice(0, 3), slice(3, 5)):  # a short last batch, which holds the largest losses
        logits, labels = torch.tensor(LOGITS[rows]), one_hot(CLASSES[rows])
        epoch.update(validation_loss(logits, labels), len(labels))
    assert epoch.compute().item() == pytest.approx(losses.mean(), rel=1e-14)
    assert epoch.compute().item() != pytest.approx((losses[:3].mean() + losses[3:].mean()) / 2, rel=0.1)


def test_sums_of_an_epoch_lose_no_digits():
    epoch = EpochLoss()
    for _ in range(10_000):
        epoch.update(torch.tensor(0.1), 3)
    assert epoch.compute().item() == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_an_epoch_keeps_no_graph():
    """With the graphs of all its batches, an epoch would hold all its activations."""
    epoch = EpochLoss()
    epoch.update(torch.ones((), requires_grad=True) * 2, 3)
    assert not epoch.total.requires_grad
    assert epoch.total.grad_fn is None
    assert epoch.compute().item() == 2


def test_a_new_epoch_starts_from_nothing():
    epoch = EpochLoss()
    epoch.update(torch.tensor(9.0), 4)
    epoch.reset()
    epoch.update(torch.tensor(2.0), 1)
    assert epoch.compute().item() == 2


def test_class_weights_are_in_the_order_of_the_classes():
    assert make_class_weights({2: 3.0, 0: 0.5, 1: 1.25}, 3).tolist() == [0.5, 1.25, 3.0]
    assert make_class_weights(None, 2).tolist() == [1, 1]
    assert make_class_weights(WEIGHTS, 3).dtype == torch.float32


@pytest.mark.parametrize(
    "weights", [{0: 1.0, 1: 1.0}, {**WEIGHTS, 3: 1.0}, *({**WEIGHTS, 1: wrong} for wrong in (0.0, -1.0, math.nan, math.inf))]
)
def test_each_class_needs_a_positive_weight(weights: dict[int, float]):
    with pytest.raises(InputError, match=r"`class_weights` must give a positive number to each class of \[0, 1, 2\], got"):
        make_class_weights(weights, 3)
