"""Whether this machine has a GPU, found out without a framework. Standard library only."""

from __future__ import annotations

from pathlib import Path

DEVICES = Path("/dev")


def has_gpu() -> bool:
    """Return whether an NVIDIA GPU is visible: a container may hold any of a machine's, and Windows shows them as ``dxg``."""
    return any(DEVICES.glob("nvidia[0-9]*")) or (DEVICES / "dxg").exists()
