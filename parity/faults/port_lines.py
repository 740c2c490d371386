"""Which lines of the port follow which, while something runs [torch]: slow, and for the coverage of the gates alone."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Self

import torch_port

FOLDER = str(Path(torch_port.__file__).parent)
END = -1  # of a call


class LinesRun:
    """Notes inside the block, for each function of the port, every step from one line to the next, and to the end."""

    def __init__(self) -> None:
        self._steps: dict[CodeType, set[tuple[int, int]]] = defaultdict(set)

    def __enter__(self) -> Self:
        threading.settrace(self._call)
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def steps(self) -> dict[str, list[list[int]]]:
        """Return the steps of each function, by ``module:qualified.name``; nested ones belong to the function around them."""
        found: dict[str, set[tuple[int, int]]] = defaultdict(set)
        for code, steps in self._steps.items():
            module = f"torch_port.{Path(code.co_filename).stem}"
            found[f"{module}:{code.co_qualname.partition('.<locals>')[0]}"] |= steps
        return {name: sorted(map(list, steps)) for name, steps in found.items()}

    def _call(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(FOLDER):
            return None
        steps, last = self._steps[code], code.co_firstlineno

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            if event == "line":
                steps.add((last, frame.f_lineno))
                last = frame.f_lineno
            elif event == "return":
                steps.add((last, END))
            return step

        return step
