"""The legacy's losses: what Keras's ``fit`` and ``evaluate`` make of `CategoricalCrossentropy` and class weights.

Source: Keras 2.15 (``backend.categorical_crossentropy``, ``losses_utils.compute_weighted_loss``,
``compile_utils.LossesContainer``). Keras finds the logits behind a softmax output, so no probability is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from torch_port.errors import InputError


def image_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each image.

    Args:
        logits: (N, K).
        labels: One-hot, (N, K).

    Returns:
        (N,).
    """
    return F.cross_entropy(logits, labels.to(logits), reduction="none")


def class_weighted_loss(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Return the training loss of a batch: the weighted losses of its images, divided by N.

    Keras turns class weights into sample weights and divides by the number of images, where torch's ``weight=`` with
    index targets divides by the sum of the weights.

    Args:
        logits: (N, K).
        labels: One-hot, (N, K).
        class_weights: (K,).
    """
    losses = image_losses(logits, labels)
    return (losses * class_weights.to(losses)[labels.argmax(dim=1)]).mean()


def validation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the validation loss of a batch: the mean over its images, without class weights, as in Keras."""
    return image_losses(logits, labels).mean()


def make_class_weights(weights: Mapping[int, float] | None, num_classes: int) -> Tensor:
    """Return a weight for each class, (K,): ``fit(class_weight=...)``; None weighs all alike.

    They are float32 whatever the network is, as in Keras.

    Raises:
        InputError: A class has no weight, or one that is not a positive number.
    """
    if weights is None:
        return torch.ones(num_classes)
    wanted = set(range(num_classes))
    if set(weights) != wanted or not all(0 < weight < float("inf") for weight in weights.values()):
        raise InputError.about(
            "class_weights",
            must=f"give a positive number to each class of {sorted(wanted)}",
            got=str(dict(weights)),
            place="class weights",
            remedy="have every class among the training images, or use --class-weights none",
        )
    return torch.tensor([weights[label] for label in range(num_classes)], dtype=torch.float32)


class EpochLoss(Metric):
    """Mean loss over the images of an epoch: a short last batch counts as what it is (Keras's ``Mean`` of losses).

    Sums are kept in float64.
    """

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, batch_loss: Tensor, images: int) -> None:
        """Add the loss of a batch of so many images."""
        self.total += batch_loss.detach().to(self.total) * images
        self.images += images

    def compute(self) -> Tensor:
        """Return the mean over all images."""
        return self.total / self.images
