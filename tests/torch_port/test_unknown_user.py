"""The port where there is no home and the system does not know the user, as in containers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.unknown_user import PROJECT, import_as_unknown_user, run_as_unknown_user

FILES = (
    "parity/sides/port*.py", "parity/gates/*/port.py", "parity/faults/port_*.py", "benchmarks/port.py", "torch_port/**/*.py",
)  # fmt: skip
PROGRAM = """
import json, sys
from torch_port.__main__ import main
print([main(words) for words in json.loads(sys.argv[1])])
"""


def test_every_module_of_the_port_imports_without_a_home(tmp_path: Path):
    import_as_unknown_user(sorted({path for pattern in FILES for path in PROJECT.glob(pattern)}), tmp_path)


def test_commands_run_without_a_home(data_set: Path, checkpoint: Path, tmp_path: Path):
    """In a folder for temporary files whose name has a space."""
    small = ("--image-scale", "0.03", "--device", "cpu", "--workers", "1")
    data, known = ("--data", str(data_set), *small), ("--checkpoint", str(checkpoint))
    commands = [
        ["train", *data, "--weights", "imagenet", "--out", str(tmp_path / "i")],
        ["train", *data, "--weights", "none", "--epochs", "1", "--out", str(tmp_path / "größe")],
        ["evaluate", *data, *known, "--out", str(tmp_path / "é")],
        ["gradcam", *data, *known, "--samples", "1", "--out", str(tmp_path / "ü")],
        ["predict", str(data_set / "images"), *known, *small, "--out", str(tmp_path / "p.csv")],
    ]
    # Not below `tmp_path`: workers have sockets there, whose paths Linux limits to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="for a while ") as temporary:
        done = run_as_unknown_user("-c", PROGRAM, json.dumps(commands), folder=Path(temporary))
    assert done.stdout.splitlines()[-1] == "[2, 0, 0, 0, 0]", done.stderr
    assert (
        "error: `weights` must be in the home folder, where Keras keeps them, got no home folder in HOME; give --weights FILE, "
        "or --weights none to start at random\n"
    ) in done.stderr
    assert "Traceback" not in done.stderr
