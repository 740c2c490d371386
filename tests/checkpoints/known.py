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
