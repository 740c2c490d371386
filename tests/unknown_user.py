"""Programs as a container may run them: by a user whom the system does not know, with no home, no input, and a terminal
that knows no more than ASCII."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
USER = "54321"
# Files stay as readable as they are to who runs the tests.
UNKNOWN = ("unshare", "--user", f"--map-user={USER}", f"--map-group={USER}", "env", "-i", "PATH=/usr/bin:/bin")
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(name)
"""


def run_as_unknown_user(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python with these words in a folder, where temporary files go, too."""
    ask = [*UNKNOWN, sys.executable, "-c", "import pathlib; pathlib.Path.home()"]
    if "determine home directory" not in subprocess.run(ask, capture_output=True, text=True, check=False).stderr:
        pytest.skip("there can be no unknown user here")
    environment = [f"PYTHONPATH={PROJECT}", f"TMPDIR={folder}", "OMP_NUM_THREADS=1", "PYTHONIOENCODING=ascii"]
    return subprocess.run(
        [*UNKNOWN, *environment, sys.executable, *map(str, words)], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip


def import_as_unknown_user(paths: list[Path], folder: Path) -> None:
    """Import the modules of these files; each must be importable."""
    parts = [path.relative_to(PROJECT).with_suffix("").parts for path in paths if path.name != "__main__.py"]
    names = [".".join(each).removesuffix(".__init__") for each in parts]
    done = run_as_unknown_user("-c", IMPORT, *names, folder=folder)
    assert done.stdout.split() == names, done.stderr
    assert done.returncode == 0
