"""Weight transfer, as one table: every tensor of the legacy model, where it goes, and how its axes turn.

The order is that of ``model.layers`` of the Keras model (a block's shortcut convolution comes after its
second batch norm): the newer Keras files number the layers of a class in this order instead of naming them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Axes = tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        keras: How the newer Keras files spell its class.
        tensors: Legacy tensor -> (port tensor, the legacy axis that becomes each of its axes), in legacy
            order.
    """

    keras: str
    tensors: Mapping[str, tuple[str, Axes]]


HWIO_TO_OIHW, IO_TO_OI, SAME = (3, 2, 0, 1), (1, 0), (0,)
CONV = Kind("conv2d", {"kernel": ("weight", HWIO_TO_OIHW), "bias": ("bias", SAME)})
CONV_WITHOUT_BIAS = Kind("conv2d", {"kernel": ("weight", HWIO_TO_OIHW)})
DENSE = Kind("dense", {"kernel": ("weight", IO_TO_OI), "bias": ("bias", SAME)})
BATCH_NORM = Kind(
    "batch_normalization",
    {
        "gamma": ("weight", SAME),
        "beta": ("bias", SAME),
        "moving_mean": ("running_mean", SAME),
        "moving_variance": ("running_var", SAME),
    },
)

# Legacy layer                 port module                        kind
STEM = (("conv1_conv",         "conv1",                           CONV),)  # fmt: skip
BLOCK = (
    ("{stage}_block{number}_preact_bn", "{stage}.block{number}.preact_bn", BATCH_NORM),
    ("{stage}_block{number}_1_conv",    "{stage}.block{number}.conv1",     CONV_WITHOUT_BIAS),
    ("{stage}_block{number}_1_bn",      "{stage}.block{number}.bn1",       BATCH_NORM),
    ("{stage}_block{number}_2_conv",    "{stage}.block{number}.conv2",     CONV_WITHOUT_BIAS),
    ("{stage}_block{number}_2_bn",      "{stage}.block{number}.bn2",       BATCH_NORM),
    ("{stage}_block{number}_0_conv",    "{stage}.block{number}.shortcut",  CONV),  # only block 1
    ("{stage}_block{number}_3_conv",    "{stage}.block{number}.conv3",     CONV),
)  # fmt: skip
BLOCKS_OF_STAGE = {"conv2": 3, "conv3": 4, "conv4": 6, "conv5": 3}
HEAD = (
    ("post_bn",                "post_bn",                         BATCH_NORM),
    ("prev_dense",             "prev_dense",                      DENSE),
    ("last_dense",             "last_dense",                      DENSE),
)  # fmt: skip


def _layers() -> Iterator[tuple[str, str, Kind]]:
    yield from STEM
    for stage, blocks in BLOCKS_OF_STAGE.items():
        for number in range(1, blocks + 1):
            for legacy, port, kind in BLOCK:
                if number == 1 or not legacy.endswith("_0_conv"):
                    place = {"stage": stage, "number": number}
                    yield legacy.format(**place), port.format(**place), kind
    yield from HEAD


@dataclass(frozen=True, kw_only=True)
class Row:
    """One tensor.

    Attributes:
        legacy: Keras name without ``:0``, for example ``conv1_conv/kernel``.
        port: Key in the port's ``state_dict``, for example ``conv1.weight``.
        axes: Permutation that turns the legacy array into the port's tensor.
    """

    legacy: str
    port: str
    axes: Axes

    def legacy_shape(self, port_shape: Axes) -> Axes:
        """Return the shape that the legacy array must have."""
        return tuple(port_shape[self.axes.index(axis)] for axis in range(len(self.axes)))


LAYERS: tuple[tuple[str, str, Kind], ...] = tuple(_layers())
TABLE: tuple[Row, ...] = tuple(
    Row(legacy=f"{layer}/{legacy}", port=f"{module}.{port}", axes=axes)
    for layer, module, kind in LAYERS
    for legacy, (port, axes) in kind.tensors.items()
)
