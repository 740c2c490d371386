"""Maps that are normalised on both sides beside those of the images: what an image's map seldom is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_RAMP = np.linspace(0.25, 1.0, 12, dtype=np.float32).reshape(3, 4)

# Nothing positive is 0/0, by the legacy's definition not a number; a map without a zero keeps its lowest value.
FIXTURE_MAPS: Mapping[str, np.ndarray] = {"zero": np.zeros_like(_RAMP), "negative": -_RAMP, "positive": _RAMP}
