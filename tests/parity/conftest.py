from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from parity.artefact import Recording, RecordingWriter, read_recording

Write = Callable[..., Recording]


@pytest.fixture
def write_recording(tmp_path: Path) -> Write:
    """Return a function that writes arrays as a recording and opens it."""

    def write(
        name: str,
        arrays: Mapping[str, tuple[np.ndarray, str]],
        values: Mapping[str, object] | None = None,
        gate: str = "blocks",
    ) -> Recording:
        with RecordingWriter(tmp_path / name / gate, key="key") as out:
            for array_name, (array, axes) in arrays.items():
                out.write_array(array_name, array, axes)
            for value_name, value in (values or {}).items():
                out.write_value(value_name, value)
        return read_recording(tmp_path / name / gate)

    return write
