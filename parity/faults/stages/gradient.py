"""Gradients of the loss."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

FAULTS = (
    Fault(
        id="cw_as_logit_scale",
        stage="gradient",
        tier=Tier.THREE,
        sentence="Class weights are multiplied into the logits.",
        gates=("loss", "gradients"),
        plants=(
            edit(
                "losses:class_weighted_loss",
                ("image_losses(logits, labels)", "image_losses(logits * class_weights.to(logits), labels)"),
            ),
        ),
    ),
)
