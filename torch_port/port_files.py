"""The port's own files: safetensors, with where the weights come from in the metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from torch_port.errors import WeightsError
from torch_port.model import Classifier, make_model
from torch_port.tensor_files import write_tensors
from torch_port.weight_checks import fill_model, list_class_faults, list_tensor_faults, refuse_faults

REMEDY = "convert the checkpoint again with `python -m torch_port convert`"


def write_safetensors(model: Classifier, path: str | Path, provenance: Mapping[str, str]) -> None:
    """Write a model's tensors and where they come from; the file appears only when it is whole.

    Args:
        model: The model.
        path: The file.
        provenance: Text by key for the file's metadata; ``arch`` and ``classes`` are read again.

    Raises:
        PlaceError: The file cannot be written.
    """
    write_tensors(Path(path), model.state_dict(), provenance)


def read_safetensors(
    path: str | Path,
    arch: str = "resnet50v2",
    num_classes: int = 3,
    *,
    classes: Sequence[str] | None = None,
    image_scale: float | None = None,
) -> Classifier:
    """Build a model from a file of `write_safetensors`.

    Args:
        path: The file.
        arch: Architecture that the caller expects.
        num_classes: Class count that the caller expects.
        classes: Class names in the order that the caller expects; None takes any.
        image_scale: Size of the images that the caller will give it; None takes any, as does a file that does not know.

    Returns:
        The model, float32, in evaluation mode.

    Raises:
        WeightsError: The file is damaged, or is of another architecture, other classes or another image size; or a tensor is
            missing, extra, of another shape or dtype, or not finite. All faults are listed.
    """
    model = make_model(arch, num_classes)
    tensors, metadata = _read_file(Path(path))
    found = metadata.get("arch", arch)
    if found != arch:
        raise WeightsError.about(
            "arch",
            must=f"be {found}, which the file is for",
            got=repr(arch),
            place=path,
            remedy=f"use --arch {found}",
        )
    faults = list_class_faults(model, tensors.get("last_dense.bias"), metadata.get("classes", ""))
    refuse_faults(model, faults + _list_faults(model, tensors), place=path, remedy=REMEDY)
    named = metadata.get("classes")
    if classes is not None and named not in (None, ",".join(classes)):
        raise WeightsError.about(
            "classes", must=f"be {named}, the file's order", got=",".join(classes), place=path, remedy=REMEDY
        )
    trained = metadata.get("image_scale")
    if image_scale is not None and trained not in (None, repr(image_scale)):
        raise WeightsError.about(
            "image_scale", must=f"be {trained}, at which the file was trained", got=repr(image_scale), place=path,
            remedy=f"use --image-scale {trained}",
        )  # fmt: skip
    fill_model(model, tensors)
    return model.eval()


def _list_faults(model: Classifier, tensors: Mapping[str, Tensor]) -> list[str]:
    faults = []
    state = model.state_dict()
    for key, target in state.items():
        if key not in tensors:
            faults.append(f"{key}: missing")
        elif tensors[key].dtype != target.dtype:
            faults.append(f"{key}: dtype {tensors[key].dtype} instead of {target.dtype}")
        else:
            faults += list_tensor_faults(key, tensors[key], tuple(target.shape))
    return faults + [f"{key}: extra" for key in tensors if key not in state]


def _read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError.about(
            "checkpoint", must="be a whole safetensors file", got=str(error), place=path, remedy=REMEDY
        ) from error
