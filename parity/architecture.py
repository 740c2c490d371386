"""What the network consists of, stated a third time: taps, shapes and tensors, from the Keras documentation.

Both sides are held against this table, so that neither's own bookkeeping is its own judge.

References:
    He et al., Identity Mappings in Deep Residual Networks (2016); ``tf.keras.applications.ResNet50V2``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Stage -> (blocks, filters of the inner convolutions, stride of the last block).
STAGES = {"conv2": (3, 64, 2), "conv3": (4, 128, 2), "conv4": (6, 256, 2), "conv5": (3, 512, 1)}
HIDDEN_UNITS = 256
STEM_CHANNELS = 64
GRADCAM_LEGACY_LAYER = "conv5_block3_3_conv"
GRADCAM_PORT_LAYER = "conv5.block3.conv3"

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tap:
    """A place in the network whose output is compared.

    Attributes:
        name: Framework-free path.
        legacy_layer: Keras layer whose output it is.
        axes: Axis letters of the output on the legacy side.
    """

    name: str
    legacy_layer: str
    axes: str


def _taps() -> Iterator[Tap]:
    yield Tap("stem/conv", "conv1_conv", "NHWC")
    yield Tap("stem/pool", "pool1_pool", "NHWC")
    for stage, (blocks, _, _) in STAGES.items():
        for block in range(1, blocks + 1):
            yield Tap(f"{stage}/block{block}/out", f"{stage}_block{block}_out", "NHWC")
    yield Tap("post/norm", "post_bn", "NHWC")
    yield Tap("post/relu", "post_relu", "NHWC")
    yield Tap("pool/avg", "avg_pool", "NC")
    yield Tap("head/hidden", "prev_dense", "NC")
    yield Tap("head/probabilities", "last_dense", "NK")


TAPS: tuple[Tap, ...] = tuple(_taps())
# Where the free-running network is tapped: after the stem, each stage and each layer of the head.
STAGE_TAPS: tuple[Tap, ...] = tuple(
    tap
    for tap in TAPS
    if tap.name.partition("/")[0] not in STAGES or tap.name.endswith(f"block{STAGES[tap.name.partition('/')[0]][0]}/out")
)
TAP_AXES = {tap.name: tap.axes for tap in TAPS}


def tap_shapes(height_px: int, width_px: int, classes: int) -> dict[str, Shape]:
    """Return the shape of every tap for one image, in the axis order of `Tap.axes`.

    >>> shapes = tap_shapes(300, 400, 3)
    >>> shapes["conv2/block3/out"], shapes["conv5/block3/out"]
    ((1, 38, 50, 256), (1, 10, 13, 2048))
    """
    height, width = (height_px - 1) // 2 + 1, (width_px - 1) // 2 + 1
    shapes: dict[str, Shape] = {"stem/conv": (1, height, width, STEM_CHANNELS)}
    height, width = (height - 1) // 2 + 1, (width - 1) // 2 + 1
    shapes["stem/pool"] = (1, height, width, STEM_CHANNELS)
    for stage, (blocks, filters, stride) in STAGES.items():
        for block in range(1, blocks + 1):
            if block == blocks:
                height, width = (height - 1) // stride + 1, (width - 1) // stride + 1
            shapes[f"{stage}/block{block}/out"] = (1, height, width, 4 * filters)
    channels = 4 * STAGES["conv5"][1]
    shapes["post/norm"] = shapes["post/relu"] = (1, height, width, channels)
    shapes.update({"pool/avg": (1, channels), "head/hidden": (1, HIDDEN_UNITS)})
    shapes["head/probabilities"] = (1, classes)
    return shapes


@dataclass(frozen=True)
class Tensor:
    """A weight under both names, with the axis letters and the shape of the legacy side."""

    legacy: str
    port: str
    axes: str
    port_axes: str
    shape: Shape


def _conv(legacy: str, port: str, shape: Shape, bias: bool) -> Iterator[Tensor]:
    yield Tensor(f"{legacy}/kernel", f"{port}.weight", "HWIO", "OIHW", shape)
    if bias:
        yield Tensor(f"{legacy}/bias", f"{port}.bias", "O", "O", shape[-1:])


def _norm(legacy: str, port: str, channels: int) -> Iterator[Tensor]:
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    for keras_name, torch_name in names.items():
        yield Tensor(f"{legacy}/{keras_name}", f"{port}.{torch_name}", "C", "C", (channels,))


def _dense(legacy: str, shape: Shape) -> Iterator[Tensor]:
    yield Tensor(f"{legacy}/kernel", f"{legacy}.weight", "IO", "OI", shape)
    yield Tensor(f"{legacy}/bias", f"{legacy}.bias", "O", "O", shape[-1:])


def tensors(classes: int) -> tuple[Tensor, ...]:
    """Return every tensor of the network with its head.

    >>> from math import prod
    >>> found = tensors(3)
    >>> len(found), sum(prod(tensor.shape) for tensor in found)
    (274, 24090115)
    """
    found = list(_conv("conv1_conv", "conv1", (7, 7, 3, STEM_CHANNELS), bias=True))
    channels = STEM_CHANNELS
    for stage, (blocks, filters, _) in STAGES.items():
        for block in range(1, blocks + 1):
            legacy, port = f"{stage}_block{block}", f"{stage}.block{block}"
            found += _norm(f"{legacy}_preact_bn", f"{port}.preact_bn", channels)
            if block == 1:
                found += _conv(f"{legacy}_0_conv", f"{port}.shortcut", (1, 1, channels, 4 * filters), bias=True)
            found += _conv(f"{legacy}_1_conv", f"{port}.conv1", (1, 1, channels, filters), bias=False)
            found += _norm(f"{legacy}_1_bn", f"{port}.bn1", filters)
            found += _conv(f"{legacy}_2_conv", f"{port}.conv2", (3, 3, filters, filters), bias=False)
            found += _norm(f"{legacy}_2_bn", f"{port}.bn2", filters)
            found += _conv(f"{legacy}_3_conv", f"{port}.conv3", (1, 1, filters, 4 * filters), bias=True)
            channels = 4 * filters
    found += _norm("post_bn", "post_bn", channels)
    found += _dense("prev_dense", (channels, HIDDEN_UNITS))
    found += _dense("last_dense", (HIDDEN_UNITS, classes))
    return tuple(found)


# Legacy layer with weights -> path of the port's module, as "conv4/block2/conv1".
MODULES: dict[str, str] = {
    tensor.legacy.rpartition("/")[0]: tensor.port.rpartition(".")[0].replace(".", "/") for tensor in tensors(3)
}


@dataclass(frozen=True)
class BatchNorm:
    """A batch norm under its framework-free path, with its Keras layer and its channels."""

    name: str
    legacy_layer: str
    channels: int

    @property
    def stage(self) -> str:
        """Stage of the network, ``post`` for the last one."""
        return self.name.partition("/")[0] if "/" in self.name else "post"


BATCH_NORMS: tuple[BatchNorm, ...] = tuple(
    BatchNorm(MODULES[layer], layer, tensor.shape[0])
    for tensor in tensors(3)
    for layer, _, weight in (tensor.legacy.rpartition("/"),)
    if weight == "moving_mean"
)
