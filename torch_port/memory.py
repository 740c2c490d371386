"""Keeps freed memory in the process: on a CPU, a training step otherwise spends a tenth of its time on getting it back.

glibc takes every large array from the system, zeroed page by page, and returns it when it is freed. No number changes.
"""

from __future__ import annotations

import ctypes

# Numbers of mallopt's parameters in glibc's malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
NEVER = -1
PAD_BYTES = 1 << 26


def keep_freed_memory() -> None:
    """Have glibc take arrays of every size from its heap, and keep the heap; to be called before torch is imported.

    Where there is no glibc nothing changes. torch's own large pages (``THP_MEM_ALLOC_ENABLE``) are left off: arrays that begin
    at multiples of 2 MiB leave holes, a third of a gigabyte at 300x400 and batch 8, and are no faster.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, NEVER)
    mallopt(TOP_PAD, PAD_BYTES)
