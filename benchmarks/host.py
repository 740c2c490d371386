"""The machine that a benchmark runs on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from parity.provenance import memory_gb


def describe_host() -> dict[str, Any]:
    """Return what the numbers depend on and no driver knows: processor, cores, memory, graphics driver."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    found = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    processor = {key.strip(): value.strip() for key, value in found.items()}
    flags = processor.get("flags", "").split()
    return {
        "processor": processor.get("model name", platform.processor()),
        "matrix_units": [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": memory_gb(),
        "system": platform.platform(),
        "gpu": find_gpu(),
    }


def find_gpu() -> dict[str, str] | None:
    """Return name and driver of the first GPU, as NVIDIA's tool says them; None without one."""
    try:
        words = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        line = subprocess.run(words, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None
    name, driver = (word.strip() for word in line.split(","))
    return {"name": name, "driver": driver}
