"""How a classifier predicts: in which precision, and whether compiled. What is faster here is declared and measured."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from torch_port.model import Classifier

Predictor = Callable[[Tensor], Tensor]


def make_predictor(model: Classifier, *, precision: str = "32-true", compiled: bool = False) -> Predictor:
    """Return a function from images (N, 3, H, W) to probabilities (N, K), float32 where the model is.

    Args:
        model: A classifier of ``evaluate.prepare_model``.
        precision: Lightning's word: ``32-true``, or ``bf16-mixed`` for convolutions and products in bfloat16.
        compiled: Fold batch norms and weights into a compiled program: exact but for rounding. It takes as long as some
            hundred batches on a CPU, anew for each batch size, and needs a C++ compiler there.
    """
    network = torch.compile(model, dynamic=False, options={"freezing": True}) if compiled else model
    device = next(model.parameters()).device.type

    @torch.no_grad()  # freezing knows no inference mode
    def predict(images: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = network(images)
        return torch.softmax(logits.to(images.dtype), dim=1)

    return predict
