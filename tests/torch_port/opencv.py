"""What OpenCV's results depend on."""

from __future__ import annotations

import cv2
import pytest

AVX2 = 11  # OpenCV's number of it: its code for it multiplies and adds in one (FMA), as torch does here
needs_avx2 = pytest.mark.skipif(not cv2.checkHardwareSupport(AVX2), reason="without AVX2 albumentations rounds hues otherwise")
