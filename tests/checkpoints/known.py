"""The numbers of every tensor in the fixtures of this folder, known from its name: for the writers and for the tests."""

from __future__ import annotations

import numpy as np

STAGES = {"conv2": 3, "conv3": 4, "conv4": 6, "conv5": 3}


def _names() -> list[str]:
    """Return every weight name of the network, written down here once more: this is the tests' own list."""
    convolutions, norms = ["conv1_conv"], ["post_bn"]
    biased = {"conv1_conv"}
    for stage, blocks in STAGES.items():
        for number in range(1, blocks + 1):
            block = f"{stage}_block{number}"
            norms += [f"{block}_preact_bn", f"{block}_1_bn", f"{block}_2_bn"]
            convolutions += [f"{block}_1_conv", f"{block}_2_conv", f"{block}_3_conv"]
            biased.add(f"{block}_3_conv")
        convolutions.append(f"{stage}_block1_0_conv")
        biased.add(f"{stage}_block1_0_conv")
    layers = {name: ["kernel", "bias"] if name in biased else ["kernel"] for name in convolutions}
    layers |= {name: ["gamma", "beta", "moving_mean", "moving_variance"] for name in norms}
    layers |= {name: ["kernel", "bias"] for name in ("prev_dense", "last_dense")}
    return sorted(f"{layer}/{tensor}" for layer, tensors in layers.items() for tensor in tensors)


NAMES = _names()
_PLACES = {name: place for place, name in enumerate(NAMES, start=1)}


def known_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a tensor's numbers, float32: no other tensor has one of them, and no two neighbours along an axis are alike."""
    ramp = np.arange(int(np.prod(shape)), dtype=np.int64) % 7
    return ((_PLACES[name] * 8 + ramp) / 4096).astype(np.float32).reshape(shape)


def backbone_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the numbers of a tensor in the start weights of the gate `commands`, float32: a short ramp of a size of its own.

    It packs well, and activations stay alive.
    """
    place, size = _PLACES[name] - 1, int(np.prod(shape))
    period = 5 + 2 * (place % 9)
    ramp = (3 * np.arange(size) % period) / (period - 1) * 2.0 - 1.0
    ramp *= 1.0 + place / 1000.0
    kind = name.rpartition("/")[2]
    if kind == "kernel":
        values = ramp * np.sqrt(3.0 / np.prod(shape[:-1]))
    else:
        start, deviation = {"gamma": (1.0, 0.3), "moving_variance": (1.0, 0.3), "beta": (0.0, 0.2)}.get(kind, (0.0, 0.1))
        values = start + deviation * ramp
    return values.astype(np.float32).reshape(shape)
