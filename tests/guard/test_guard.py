"""The port against what the legacy did: from the sign-off on, and on when the legacy is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parity.golden.guard import GuardOptions
from parity.workspace import PROJECT


@pytest.mark.skipif(not GuardOptions.bundle.is_file(), reason="no golden bundle: nothing is signed off here")
def test_the_port_passes_the_guard(tmp_path: Path):
    command = [sys.executable, "-m", "parity", "guard", "--out", str(tmp_path / "guard")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS (19 of 19 required gates; " in done.stdout
    assert "against the golden bundle" in done.stdout
