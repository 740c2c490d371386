"""Python imports this first in each process that has this folder on its path: it notes the functions of the port that run.

With the variable ``MUTANTS_TRACE``, every function of `torch_port` is written, when it is first called, as a line of the file
that the variable names. Processes that are started or forked add to the same file; one that is killed has lost nothing.
"""

import os
import sys
import threading

VARIABLE = "MUTANTS_TRACE"
FOLDER = os.sep + "torch_port" + os.sep
seen = set()


def watch(frame, event, _):
    """Note a function that is called for the first time."""
    code = frame.f_code
    if event != "call" or code in seen:
        return
    seen.add(code)
    path, name = code.co_filename, os.environ.get(VARIABLE)
    if name and FOLDER in path and f"{os.sep}tests{os.sep}" not in path:
        module = path.rpartition(FOLDER)[2].removesuffix(".py")
        with open(name, "a", encoding="utf-8") as file:  # noqa: PTH123 - each process starts with this: no further import
            file.write(f"{module}:{code.co_qualname.partition('.<locals>')[0]}\n")


if VARIABLE in os.environ:
    sys.setprofile(watch)
    threading.setprofile(watch)
