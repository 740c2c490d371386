"""What a reader finds in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from .errors import CheckpointError
from .network_checks import FileLayer

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Contents:
    """The tensors of a checkpoint by weight name, and what else it says.

    Attributes:
        arrays: Tensors by weight name.
        layers: What the file says of the layers of the model; nothing, if it says nothing.
        load: Lets Keras load the file into the layers of a model, each at its place in the file; None for a format whose
            tensors have names and no place.
    """

    arrays: Arrays
    layers: Sequence[FileLayer] = ()
    load: Callable[[tf.keras.Model], None] | None = None


def weight_name(variable: tf.Variable) -> str:
    """Name of a weight in an export, for example `conv1_conv/kernel`."""
    return variable.name.removesuffix(":0")


def refuse_dtype(dtype: str, names: Sequence[str]) -> None:
    """Refuse tensors of a dtype that is not read, if there are any.

    Raises:
        CheckpointError: There are.
    """
    if names:
        raise CheckpointError(
            f"`checkpoint` must hold float32 tensors, got {len(names)} of {dtype} ({names[0]}), which is not read; "
            f"save the model in float32"
        )
