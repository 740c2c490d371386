"""The weights of the golden run: what was drawn from a seed is drawn again, the rest is kept."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from parity.architecture import tensors
from parity.artefact import Recording, RecordingWriter, hash_array, read_recording
from parity.contract import CLASSES
from parity.errors import bad_input
from parity.files import write_whole
from parity.kernels import draw_kernel, specification
from parity.workspace import Workspace


def keep_weights(recording: Recording, folder: Path, seed: int) -> None:
    """Write what a seed does not give again, and the hashes of what it does.

    Args:
        recording: What the legacy recorded for the gate `weights`.
        folder: Of the recording to write.
        seed: Of `draw_kernel`.
    """
    drawn = {}
    with RecordingWriter(folder, key=recording.key) as out:
        for name, entry in recording.arrays.items():
            array = recording.read_array(name)
            if name.endswith("/kernel") and np.array_equal(array, draw_kernel(name, array.shape, seed)):
                drawn[name] = hash_array(array)
            else:
                out.write_array(name, array, entry.axes)
        out.write_value("seed", seed)
        out.write_value("drawn", drawn)
        out.write_value("values", dict(recording.values))


def restore_weights(folder: Path, workspace: Workspace) -> None:
    """Write the legacy's weights, and its recording for the gate `weights`, as they were.

    Raises:
        BadInputError: This numpy draws other kernels.
    """
    kept = read_recording(folder)
    seed, drawn = kept.values["seed"], kept.values["drawn"]
    arrays = {}
    with RecordingWriter(workspace.recording_folder("legacy", "weights"), key=kept.key) as out:
        for tensor in tensors(len(CLASSES)):
            name = tensor.legacy
            arrays[name] = draw_kernel(name, tensor.shape, seed) if name in drawn else kept.read_array(name)
            if name in drawn and hash_array(arrays[name]) != drawn[name]:
                must = f"draw the kernels of the golden bundle ({specification(seed)['generator']})"
                found = f"another {name} with numpy {np.__version__}"
                raise bad_input("numpy", must, found, "this environment", "install requirements-core.txt as it was signed")
            out.write_array(name, arrays[name], tensor.axes)
        for name, value in kept.values["values"].items():
            out.write_value(name, value)
    archive = io.BytesIO()  # numpy leaves one on a full disk open
    np.savez(archive, allow_pickle=False, **arrays)
    write_whole(workspace.legacy_weights, archive.getvalue())
