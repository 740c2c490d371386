"""safetensors files that appear only when they are whole, and that whoever may read other files may read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from torch_port.whole_files import whole_file


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors from where they lie in memory: a file of all of them at once would take as much again, and twice the time.

    Args:
        path: The file.
        tensors: Tensors by name, on any device; not even two views of one are written as one.
        metadata: Text by key.

    Raises:
        PlaceError: The file cannot be written.
    """
    with whole_file(path) as unfinished:
        unfinished.touch()
        permissions = unfinished.stat().st_mode
        save_file(_lay_out(tensors), unfinished, metadata=dict(metadata))
        unfinished.chmod(permissions)  # `save_file` takes them from all other users


def _lay_out(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors in row-major order on the host, each with a memory of its own."""
    found = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    seen: set[int] = set()
    for name, tensor in found.items():
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes:
            found[name] = tensor.clone()
        seen.add(storage.data_ptr())
    return found
