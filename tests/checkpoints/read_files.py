"""Read files with one side and say of each, as a line of JSON, whether its tensors are the known ones: run by `matrix.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from known import known_tensor

Tensors = Iterator[tuple[str, np.ndarray]]


def legacy() -> tuple[Callable[[Path], Tensors], type[Exception]]:
    """Return what reads a file with the legacy, and what it raises for one that it refuses."""
    from legacy_tf import export, models

    model, _ = models.resnet_model(3, (64, 64, 3), weights=None)

    def tensors(path: Path) -> Tensors:
        export.load_checkpoint(model, path)
        yield from ((export.weight_name(variable), variable.numpy()) for variable in model.weights)

    return tensors, export.CheckpointError


def port() -> tuple[Callable[[Path], Tensors], type[Exception]]:
    """Return the same of the port."""
    from torch_port.errors import WeightsError
    from torch_port.model import ResNet50V2
    from torch_port.weight_table import TABLE
    from torch_port.weights import load_legacy_file

    model = ResNet50V2()

    def tensors(path: Path) -> Tensors:
        load_legacy_file(model, path)
        for row in TABLE:
            array = model.state_dict()[row.port].numpy()
            yield row.legacy, array.transpose(np.argsort(row.axes))

    return tensors, WeightsError


def judge(tensors: Callable[[Path], Tensors], path: Path, refusal: type[Exception]) -> str:
    """Return what a side makes of a file."""
    try:
        found = list(tensors(path))
    except refusal as error:
        return f"refused: {' '.join(str(error).replace(str(path), path.name).split())[:1000]}"
    wrong = []
    for name, array in found:
        expected = known_tensor(name, array.shape)
        half = expected.astype(np.float16).astype(np.float32)
        if not np.array_equal(array, expected) and not ("float16" in path.name and np.array_equal(array, half)):
            wrong.append(name)
    return f"WRONG: {len(wrong)} tensors, {wrong[:3]}" if wrong else "read"


def main(side: str, *paths: str) -> None:
    """Print a line for each file."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    tensors, refusal = {"legacy": legacy, "port": port}[side]()
    for path in map(Path, paths):
        print(json.dumps([path.name, judge(tensors, path, refusal)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
