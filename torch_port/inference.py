"""How a classifier predicts: in which precision, and whether compiled. What is faster here is declared and measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor

from torch_port.errors import InputError
from torch_port.model import Classifier

Predictor = Callable[[Tensor], Tensor]


def make_predictor(model: Classifier, *, precision: str = "32-true", compiled: bool = False) -> Predictor:
    """Return a function from images (N, 3, H, W) to probabilities (N, K), float32 where the model is.

    Args:
        model: A classifier of ``evaluate.prepare_model``.
        precision: ``32-true``, ``tf32`` (a setting of ``evaluate.prepare_model``), or ``bf16-mixed`` for convolutions and
            products in bfloat16.
        compiled: Compile a program that holds the weights as they are now, and batch norms folded into them: exact but for
            rounding. The first batch takes as long as some dozen others on a CPU, anew for each batch size, and needs a C++
            compiler there.

    Raises:
        InputError: Something is to be compiled, and there is no compiler.
    """
    network = compile_with_weights(model) if compiled else model
    device = next(model.parameters()).device.type

    @torch.no_grad()  # with gradients or in inference mode weights are not folded
    def predict(images: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = network(images)
        return torch.softmax(logits.to(images.dtype), dim=1)

    return predict


def compile_with_weights(model: Classifier) -> Predictor:
    """Return a compiled function from images to logits, to be called without gradients.

    Weights become constants only if the setting stands while the program is traced. As an option of ``torch.compile`` it comes
    too late: every call lays the weights out again, and no batch norm is folded.
    """
    from torch._inductor import config  # costs a second, which predicting otherwise need not pay

    check_compiler(next(model.parameters()).device)

    # Of its own: the program would take up some of the weights that change later, and others not.
    network = torch.compile(deepcopy(model), dynamic=False)

    def run(images: Tensor) -> Tensor:
        with config.patch(freezing=True):
            return network(images)

    return run


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where torch finds no compiler: it would say so in a traceback of its own, at the first batch.

    On a GPU, Triton compiles a small C program to start its kernels; on a CPU, the whole program is C++.

    Raises:
        InputError: There is none.
    """
    variable, names = ("CC", ("cc", "gcc", "clang")) if device.type == "cuda" else ("CXX", ("g++",))
    asked = os.environ.get(variable)
    if not any(shutil.which(name) for name in ([asked] if asked else names)):
        raise InputError.about(
            "compiler", must="be there to compile inference", got="none", place=f"{variable} and PATH",
            remedy="install one (Debian: apt-get install g++), or predict without compiling",
        )  # fmt: skip
