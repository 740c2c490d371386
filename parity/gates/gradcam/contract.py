"""Maps that both sides make pictures of beside those of the images: what an image's map seldom is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_RAMP = np.linspace(0.25, 1.0, 12, dtype=np.float32).reshape(3, 4)

# By the legacy's definition a maximum of exactly 0 gives NaN, a negative one -0; a map without a zero keeps its lowest value.
FIXTURE_MAPS: Mapping[str, np.ndarray] = {
    "zero": np.zeros_like(_RAMP),
    "negative": -_RAMP,
    "positive": _RAMP,
    "mixed": _RAMP - np.float32(0.875),  # its largest magnitude is negative
}
FIXTURE_IMAGE = np.linspace(0.0, 1.0, 24 * 32 * 3, dtype=np.float32).reshape(24, 32, 3)  # H W C
