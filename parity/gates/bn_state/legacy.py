"""Running statistics of the Keras model after forward passes in training mode, its weights fixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from legacy_tf import export, models
from parity.architecture import BATCH_NORMS
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.gates.bn_state.contract import (
    EVALUATED,
    LARGE,
    MARKS,
    PASSES,
    SMALL,
    SMALL_BATCH,
    SMALL_PX,
    large_batches,
    mark_name,
    marks,
    small_name,
)
from parity.measurement import MEASURES, relative_error
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    batches = [_cut_batch(side, number) for number in range(PASSES)]
    for number, batch in enumerate(batches):
        out.write_array(small_name(number), batch, "NHWC")
    # A Keras model takes images of one size, so the small ones need a model of their own.
    small, _ = models.resnet_model(len(CLASSES), (SMALL_PX, SMALL_PX, 3), weights=None)
    export.load_checkpoint(small, side.spec.checkpoint)
    kept = small.get_weights()
    found = _record_passes(out, small, SMALL, side.track(batches, "bn_state small"))
    small.set_weights(kept)
    rng = np.random.default_rng(17)
    noisy = [array for _, _, array in _run_passes(small, [_shake(batch, rng) for batch in batches])]
    errors = [relative_error(*pair) for pair in zip(found, noisy, strict=True)]
    out.write_value("noise", {measure: max(getattr(error, measure) for error in errors) for measure in MEASURES})
    passes = marks(side.spec.profile).get(LARGE)
    if passes:
        with side.precision("float32") as model:
            kept = model.get_weights()
            batches = list(large_batches(side.workspace, passes[-1]))
            try:
                _record_passes(out, model, LARGE, side.track(batches, "bn_state large"))
            finally:
                model.set_weights(kept)


def _cut_batch(side: LegacySide, number: int) -> np.ndarray:
    """Return two augmented images (N, H, W, C) thinned out to 64x64, wherever that starts in this pass."""
    cases = side.workspace.cases("augmented")
    taken = [cases[(SMALL_BATCH * number + row) % len(cases)] for row in range(SMALL_BATCH)]
    images = np.concatenate([side.workspace.image(case) for case in taken])
    for axis in (1, 2):
        step = max(1, images.shape[axis] // SMALL_PX)
        images = images.take(number + step * np.arange(SMALL_PX), axis=axis, mode="wrap")
    return images


def _shake(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images whose every value is one unit in the last place larger or smaller."""
    signs = rng.choice(np.array([-1.0, 1.0]), images.shape)
    return (images * (1.0 + signs * np.finfo(np.float32).eps)).astype(np.float32)


def _run_passes(model: Any, batches: Iterable[np.ndarray]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield each running statistic at each mark and after one more pass in evaluation mode, as mark, name and values (C,)."""
    for number, images in enumerate(batches, start=1):
        model(images, training=True)
        if number in MARKS:
            yield from ((mark_name(number), *found) for found in _statistics(model))
    model(images[:1], training=False)
    yield from ((EVALUATED, *found) for found in _statistics(model))


def _record_passes(out: RecordingWriter, model: Any, size: str, batches: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Run passes, write every statistic and return them."""
    found = list(_run_passes(model, batches))
    for mark, name, values in found:
        out.write_array(f"{size}/{mark}/{name}", values, "C")
    return [values for _, _, values in found]


def _statistics(model: Any) -> Iterator[tuple[str, np.ndarray]]:
    for norm in BATCH_NORMS:
        layer = model.get_layer(norm.legacy_layer)
        yield f"{norm.name}/mean", layer.moving_mean.numpy()
        yield f"{norm.name}/variance", layer.moving_variance.numpy()
