"""What both recorders of the augment gate and its comparison agree on: draws, injected parameters, drawn parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from parity.contract import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX

# In the first 24 draws every transform is applied at least five times.
DRAWS: Mapping[str, int] = {"probe": 24, "guard": 24, "quick": 64, "full": 200}
DEVICE_DRAWS = 24
SHOWN_DRAWS = 4
STEP = 8
FIXTURE = "chroma-444.jpg"
COUNTED_DRAWS = 5000
STREAM_IMAGES = 16
STREAM_EPOCHS = 2
STREAM_RUNS: Mapping[str, Mapping[str, int]] = {
    "0 workers": {"num_workers": 0, "seed": 17},
    "0 workers again": {"num_workers": 0, "seed": 17},
    "2 workers": {"num_workers": 2, "seed": 17},
    "another seed": {"num_workers": 0, "seed": 18},
}

# The transforms in order, with what each draws: parameter -> how many numbers.
PARAMETERS: Mapping[str, Mapping[str, int]] = {
    "HorizontalFlip": {},
    "VerticalFlip": {},
    "GridDistortion": {"stepsx": 6, "stepsy": 6},
    "RandomSizedCrop": {"crop_height": 1, "crop_width": 1, "h_start": 1, "w_start": 1},
    "RandomGamma": {"gamma": 1},
    "RandomBrightnessContrast": {"alpha": 1, "beta": 1},
    "HueSaturationValue": {"hue_shift": 1, "sat_shift": 1, "val_shift": 1},
    "Resize": {},
    "ToFloat": {},
}

# Injected parameters: case -> transform, parameters.
CASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "horizontal flip": ("HorizontalFlip", {}),
    "vertical flip": ("VerticalFlip", {}),
    "grid inside": ("GridDistortion", {"stepsx": [0.8, 0.9, 1.1, 0.7, 1.0, 0.95], "stepsy": [0.75, 1.2, 0.8, 1.0, 0.9, 1.1]}),
    "grid over the border": ("GridDistortion", {"stepsx": [1.3] * 6, "stepsy": [1.05, 1.3, 1.25, 1.2, 1.15, 1.3]}),
    "crop": ("RandomSizedCrop", {"crop_height": 1037, "crop_width": 1037, "h_start": 0.83, "w_start": 0.29}),
    "crop at the border": ("RandomSizedCrop", {"crop_height": 1200, "crop_width": 1200, "h_start": 0.5, "w_start": 0.999}),
    "gamma 0.8": ("RandomGamma", {"gamma": 0.8}),
    "gamma 1.0": ("RandomGamma", {"gamma": 1.0}),
    "gamma 1.2": ("RandomGamma", {"gamma": 1.2}),
    "brighter": ("RandomBrightnessContrast", {"alpha": 1.13, "beta": 0.17}),
    "darker": ("RandomBrightnessContrast", {"alpha": 0.86, "beta": -0.19}),
    "hsv up": ("HueSaturationValue", {"hue_shift": 3.6, "sat_shift": 12.7, "val_shift": 8.3}),
    "hsv down": ("HueSaturationValue", {"hue_shift": -4.4, "sat_shift": -17.2, "val_shift": -9.5}),
    "hsv between levels": ("HueSaturationValue", {"hue_shift": 0.5, "sat_shift": -0.5, "val_shift": 0.49}),
    "resize": ("Resize", {}),
    "to float": ("ToFloat", {}),
}


def apply_cases(pipeline: Any, levels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each case's name and result: the live transform of a pipeline, where it has it, with injected parameters.

    Args:
        pipeline: Of albumentations.
        levels: The fixture (H, W, C) uint8.
    """
    transforms = {type(transform).__name__: transform for transform in pipeline.transforms}
    for case, (name, injected) in CASES.items():
        if transform := transforms.get(name):
            yield case, transform.apply(levels, **transform.update_params(dict(injected), image=levels))


class DrawnParameters:
    """A copy of a pipeline that draws its random numbers and works on no pixel: what it drew is kept.

    Args:
        pipeline: Of albumentations; it is copied.

    Attributes:
        applied: Whether each transform was applied, by name, (draws,) uint8.
        values: What was drawn by transform and parameter, (draws, numbers) float64; 0 where it was not applied.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = deepcopy(pipeline)
        self._levels = np.zeros((IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3), np.uint8)
        self._draw = -1
        self.applied: dict[str, np.ndarray] = {}
        self.values: dict[tuple[str, str], np.ndarray] = {}
        for transform in self._pipeline.transforms:
            transform.apply = self._keep(type(transform).__name__)

    def __call__(self, image: Any) -> dict[str, Any]:
        """Draw once; the image is given back as it is."""
        self._draw += 1
        self._pipeline(image=self._levels)
        return {"image": image}

    def _keep(self, name: str) -> Callable[..., Any]:
        self.applied[name] = np.zeros(COUNTED_DRAWS, np.uint8)
        for parameter, numbers in PARAMETERS.get(name, {}).items():
            self.values[name, parameter] = np.zeros((COUNTED_DRAWS, numbers))

        def apply(levels: np.ndarray, **drawn: Any) -> np.ndarray:
            self.applied[name][self._draw] = 1
            for parameter in PARAMETERS.get(name, {}):
                self.values[name, parameter][self._draw] = drawn[parameter]
            return levels

        return apply

    def write(self, out: Any) -> None:
        """Record everything, and the order of the transforms."""
        out.write_value("order", {f"place {place}": name for place, name in enumerate(self.applied)})
        for name, applied in self.applied.items():
            out.write_array(f"drawn/{name}/applied", applied, "N")
        for (name, parameter), values in self.values.items():
            out.write_array(f"drawn/{name}/{parameter}", values, "NK")
