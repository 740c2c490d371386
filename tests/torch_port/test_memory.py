"""Freed memory stays in the process: a second large array costs no page faults. Processes of their own: it cannot be undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from torch_port.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
size = int(sys.argv[2])
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(size, np.uint8)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def count_faults(mode: str, size: int) -> int:
    environment = {"GLIBC_TUNABLES": "", "MALLOC_MMAP_THRESHOLD_": str(1 << 20)} if mode == "given back" else {}
    words = [sys.executable, "-c", PROGRAM, mode, str(size)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.parametrize(
    "size", [64 << 20, 200 << 20]
)  # bytes; the second is more than glibc leaves at the heap's top by itself
def test_an_array_takes_up_what_an_earlier_one_left(size: int):
    pages = size // (2 << 20)  # of 2 MB at the most
    assert count_faults("kept", size) < pages
    assert count_faults("given back", size) >= pages
