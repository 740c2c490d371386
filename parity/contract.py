"""What a run is: its options, its gates in order, its profiles. It needs no package, for every side reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parity.files import write_whole

CLASSES = ("aca", "nor", "scc")
SPLITS = ("train", "val", "test")
RESOLUTIONS = ("20x", "40x")
ARCHITECTURES = ("resnet50v2", "torchvision_resnet50")
DTYPES = ("float64", "float32")
KINDS = ("evaluation", "augmented")
IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX = 1200, 1600
BATCH_SIZE = 8

# Gates in the order in which a fault travels: the first that fails is where it is reported.
GATES: Mapping[str, str] = {
    "freeze": "is the legacy code the code that was frozen, and is it the users' pipeline?",
    "config": "do the two sides mean the same numbers?",
    "numerics": "is the environment what it says?",
    "decode": "same pixels from the same file?",
    "preprocess": "same evaluation batch, and same Grad-CAM input?",
    "augment": "same training batch?",
    "loader": "same images, labels, splits, order, counts, class weights?",
    "weights": "is every tensor where it belongs?",
    "blocks": "is each block the same function?",
    "inference": "is the whole the same function?",
    "loss": "same loss?",
    "gradients": "same gradients?",
    "optimizer": "same step?",
    "bn_state": "same running statistics?",
    "schedule": "same learning rates, stop, best epoch?",
    "commands": "do the commands pass on what they are given, and leave the best weights?",
    "lockstep": "same training?",
    "metrics": "same definitions?",
    "decisions": "same answer for every image?",
    "gradcam": "same explanation?",
    "throughput": "how fast is each?",
    "training": "trained from scratch, equally good?",
}

# A gate that reads what another gate recorded, or what was made from the same model or training.
RECORDED_WITH: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("freeze", "decisions"), ("inference",)),
    "gradients": ("lockstep",),
}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How much evidence a run gathers.

    Attributes:
        tap_images: Images of each kind whose block outputs are recorded.
        augmented_batches: Training batches taken from the legacy generator; None is an epoch's worth.
        image_scale: Default of ``--image-scale``.
        images: Default of ``--images``: images of each split; None is every image.
    """

    tap_images: int
    augmented_batches: int | None
    image_scale: float = 0.25
    images: int | None = None


PROFILES: Mapping[str, Profile] = {
    "probe": Profile(tap_images=2, augmented_batches=1, image_scale=0.08, images=3),
    "guard": Profile(tap_images=2, augmented_batches=1, image_scale=0.08),
    "quick": Profile(tap_images=4, augmented_batches=1),
    "full": Profile(tap_images=8, augmented_batches=None),
}


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that decides what a run records. Paths are absolute."""

    data: str
    data_sha256: str
    checkpoint: str
    checkpoint_sha256: str
    resolution: str
    split: str
    split_sha256: str
    splits: tuple[str, ...]
    image_scale: float
    images: int | None
    profile: str
    arch: str
    device: str
    gates: tuple[str, ...]

    @property
    def height_px(self) -> int:
        """Height of a network input, as the legacy truncates it."""
        return int(IMAGE_HEIGHT_PX * self.image_scale)

    @property
    def width_px(self) -> int:
        """Width of a network input, as the legacy truncates it."""
        return int(self.image_scale * IMAGE_WIDTH_PX)

    @property
    def tap_images(self) -> int:
        return PROFILES[self.profile].tap_images

    @property
    def recorded_gates(self) -> tuple[str, ...]:
        """Gates to record: those asked for and those that they read."""
        wanted = set(self.gates).union(*(RECORDED_WITH.get(gate, ()) for gate in self.gates))
        return tuple(gate for gate in GATES if gate in wanted)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        return cls(**{**values, "splits": tuple(values["splits"]), "gates": tuple(values["gates"])})

    def write_json(self, path: Path) -> None:
        write_whole(path, json.dumps(self.to_dict(), indent=1, sort_keys=True) + "\n")

    @classmethod
    def read_json(cls, path: Path) -> RunSpec:
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
