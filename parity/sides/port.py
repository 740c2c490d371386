"""The port side [torch]: its data path and its model, built once for all gates."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import torch

from parity.artefact import permute_axes
from parity.contract import CLASSES
from parity.errors import describe_raised, is_out_of_memory
from parity.files import write_whole
from parity.recorder import track
from parity.workspace import Workspace
from torch_port import data, model, weights
from torch_port.errors import InputError

REFUSALS = (InputError,)  # what `torch_port` raises for bad input


class PortSide:
    """The port of one run.

    Args:
        workspace: The run.
    """

    name = "port"

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.spec = workspace.spec
        self._made: dict[Any, Any] = {}
        self.device = torch.device(self.spec.device)
        torch.manual_seed(0)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False

    def make_loaders(self, **options: Any) -> tuple[dict[str, Any], list[str]]:
        """Return new loaders of every split, as the port makes them, and the class names."""
        spec = self.spec
        return data.make_loaders(spec.data, spec.resolution, spec.split, spec.image_scale, images=spec.images, **options)

    def once(self, make: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``make(side, *arguments)``, made the first time that it is asked for."""
        key = (make, arguments)
        if key not in self._made:
            self._made[key] = make(self, *arguments)
        return self._made[key]

    def model(self, dtype: str) -> Any:
        """Return the port in evaluation mode."""
        return self.once(_read_model, dtype)

    def tensor(self, images: np.ndarray, dtype: str, axes: str = "NHWC") -> torch.Tensor:
        """Return recorded values in the port's axis order, on its device."""
        moved = permute_axes(images, axes, "NCHW") if len(axes) == 4 else images
        values = np.array(moved, dtype=dtype, order="C")
        return torch.from_numpy(values).to(self.device)

    def predict(self, network: Any, images: np.ndarray, dtype: str) -> np.ndarray:
        """Return the probabilities (N, K) of one batch of recorded images (N, H, W, C)."""
        with torch.inference_mode():
            return network.probabilities(self.tensor(images, dtype)).cpu().numpy()

    def track(self, items: Any, step: str) -> Iterator[Any]:
        return track(items, self.name, step)


def _read_model(side: PortSide, dtype: str) -> Any:
    made = weights.read_safetensors(side.workspace.port_weights, side.spec.arch, len(CLASSES))
    return made.to(device=side.device, dtype=getattr(torch, dtype)).eval()


def convert_weights(workspace: Workspace) -> None:
    """Convert the exported legacy weights with the port's own converter.

    An architecture that has no converter, or a port that cannot take what the legacy exported, keeps its fresh weights: the
    weights gate says so.
    """
    workspace.refusal.unlink(missing_ok=True)
    if workspace.spec.arch == "resnet50v2":
        try:
            weights.convert(workspace.legacy_weights, workspace.port_weights, len(CLASSES))
            return
        except (MemoryError, OSError):
            raise
        except Exception as error:
            if is_out_of_memory(str(error)):
                raise
            traceback.print_exc()
            write_whole(workspace.refusal, f"{type(error).__name__}: {error}")
            write_whole(workspace.refusal.with_suffix(".json"), json.dumps(describe_raised(error)))
    torch.manual_seed(0)
    provenance = {"arch": workspace.spec.arch, "classes": ",".join(CLASSES), "source": "fresh weights"}
    try:
        fresh = model.make_model(workspace.spec.arch, len(CLASSES))
        weights.write_safetensors(fresh, workspace.port_weights, provenance)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # no network at all: no weights either, which every gate that asks for one finds out
        if is_out_of_memory(str(error)):
            raise
        traceback.print_exc()
        write_whole(workspace.refusal, f"{type(error).__name__}: {error}")
        write_whole(workspace.port_weights, "")


def make_side(workspace: Workspace) -> PortSide:
    """Convert the weights and return the port side of a run."""
    convert_weights(workspace)
    return PortSide(workspace)
