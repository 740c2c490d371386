"""Twelve steps over an epoch boundary by the legacy's own ``train_model``, in float64, with injected dropout masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from legacy_tf import export
from parity.architecture import BATCH_NORMS
from parity.artefact import RecordingWriter
from parity.gates.lockstep.contract import BATCHES, EPOCHS, STEPS
from parity.sides.legacy import LegacySide
from parity.sides.legacy_training import dropout_mask, make_batches, make_training_model, train
from parity.training import make_mask, sample_elements


def record(side: LegacySide, out: RecordingWriter) -> None:
    batches, val_batch = make_batches(side, BATCHES)
    rng = np.random.default_rng(17)
    masks = [make_mask(rng, len(images)) for _ in range(EPOCHS) for images, _ in batches]
    _write_inputs(out, batches, val_batch, masks)
    losses: list[float] = []
    with side.precision("float64"):
        model = make_training_model(side)
        statistics = [_read_statistics(model)]

        def on_step(step: int, loss: float, gradients: Sequence[Any]) -> None:
            losses.append(loss)
            statistics.append(_read_statistics(model))
            if len(losses) == STEPS:
                _write_state(out, model)
                with dropout_mask(model, masks[0]):
                    found = model(batches[0][0].astype(np.float64), training=True)
                out.write_array("float64/predictions", found.numpy(), "NK")

        train(side, model, batches, val_batch, masks=masks, on_step=on_step)
    out.write_array("float64/loss", np.array(losses), "N")
    for name in statistics[0]:
        out.write_array(f"float64/{name}", np.stack([step[name] for step in statistics]), "NC")
    out.write_value("epoch_starts", [1 + BATCHES * epoch for epoch in range(EPOCHS)])


def _read_statistics(model: Any) -> dict[str, np.ndarray]:
    layers = {norm.name: model.get_layer(norm.legacy_layer) for norm in BATCH_NORMS}
    means = {f"mean/{name}": layer.moving_mean.numpy() for name, layer in layers.items()}
    return means | {f"variance/{name}": layer.moving_variance.numpy() for name, layer in layers.items()}


def _write_inputs(out: RecordingWriter, batches: Sequence[Any], val_batch: Any, masks: Sequence[np.ndarray]) -> None:
    for number, (images, labels) in enumerate([*batches, val_batch]):
        out.write_array(f"inputs/{number}/images", images, "NHWC")
        out.write_array(f"inputs/{number}/labels", labels, "NK")
    for number, mask in enumerate(masks):
        out.write_array(f"inputs/mask{number}", mask, "NC")


def _write_state(out: RecordingWriter, model: Any) -> None:
    """Write a sample of every weight and optimizer slot."""
    optimizer = model.optimizer
    for variable in model.trainable_variables:
        name = export.weight_name(variable)
        index = optimizer._index_dict[optimizer._var_key(variable)]
        tensors = {"weights": variable, "m": optimizer._momentums[index], "v": optimizer._velocities[index]}
        for kind, tensor in tensors.items():
            out.write_array(f"float64/{kind}/{name}", sample_elements(tensor.numpy()), "N")
