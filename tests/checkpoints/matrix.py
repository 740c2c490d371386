"""The proof of the readers: every release writes every model in every format, and both sides read it (see README.md here)."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
# Release -> Python, and packages.
RELEASES = {
    "tf2.8": ("3.10", "tensorflow-cpu==2.8.4", "protobuf<3.20", "numpy<1.24"),
    "tf2.10": ("3.10", "tensorflow-cpu==2.10.1", "numpy<1.24"),
    "tf2.12": ("3.11", "tensorflow-cpu==2.12.1", "numpy<1.24"),
    "tf2.13": ("3.11", "tensorflow-cpu==2.13.1", "numpy<1.25"),
    "tf2.15": ("3.11", "tensorflow-cpu==2.15.1", "numpy<2"),
    "keras3.0.5": ("3.11", "tensorflow-cpu==2.16.1", "keras==3.0.5", "numpy<2"),
    "keras3.3": ("3.11", "tensorflow-cpu==2.16.2", "keras==3.3.3", "numpy<2"),
    "keras3.6": ("3.12", "tensorflow-cpu==2.18.0", "keras==3.6.0", "numpy<2.1"),
    "keras3.8": ("3.12", "tensorflow-cpu==2.18.0", "keras==3.8.0", "numpy<2.1"),
    "keras3.12": ("3.13", "tensorflow-cpu==2.20.0", "keras==3.12.0"),
}
SIDES = ("legacy", "port")
# What must be refused -> words that the reason has, of the port where it reads the format at all. Everything else is read.
INNER, KERAS_3 = "an inner model behind a layer without weights", "as Keras 3 writes it"
REFUSED = {
    r"keras3.* .*-(train-checkpoint|exported)": KERAS_3,
    r".*-sharded\.weights\.json": "shards",
    r".* bfloat16-.*": "which is not read; save the model in float32",
    r".* float16-(tf-weights|savedmodel)": "of float16",
    r".* rescaled-nested-(tf-weights|train-checkpoint)": INNER,
    r".* rescaled-(tf-weights|train-checkpoint)": "one such as Rescaling has no weights",
    r".* rescaled-.*": "rescaling: no layer of the legacy network",
    r".* logits-(model\.h5|model\.keras|savedmodel)": "activation 'linear' instead of 'softmax'",
    r".* (nested|both-nested)-(tf-weights|train-checkpoint)": INNER,
}
EXPORT = "export it with `python -m legacy_tf export`"  # what the port says of a format that only TensorFlow reads


def write(release: str, folder: Path) -> None:
    """Write a release's files in an environment that is gone afterwards."""
    python, *packages = RELEASES[release]
    environment = folder.with_name("environment")
    interpreter = environment / "bin" / "python"
    try:
        subprocess.run(["uv", "venv", "--quiet", "--python", python, str(environment)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(interpreter), *packages], check=True)
        subprocess.run([str(interpreter), str(HERE / "write_files.py"), str(folder)], check=True)
    finally:
        shutil.rmtree(environment, ignore_errors=True)


def read(python: Path, side: str, files: list[Path]) -> dict[str, str]:
    """Return what a side says of each file."""
    command = [str(python), str(HERE / "read_files.py"), side, *map(str, files)]
    done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))


def find_wrong(release: str, name: str, legacy: str, port: str) -> str:
    """Return what is wrong with what the sides say of a file, or nothing.

    >>> find_wrong("tf2.15", "flat-model.h5", "read", "read")
    ''
    """
    words = next((words for pattern, words in REFUSED.items() if re.fullmatch(pattern, f"{release} {name}")), None)
    if "WRONG" in legacy + port:
        return "ANOTHER TENSOR"
    if words is None:
        return "" if legacy == "read" and (port == "read" or EXPORT in port) else "NOT READ"
    said = [legacy] if EXPORT in port else [legacy, port]
    return "" if all(side.startswith("refused") and words in side for side in said) else f"NOT REFUSED FOR: {words}"


def main() -> int:
    """Write, read, and print one line for each file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=f"of {', '.join(RELEASES)} (default: all)")
    parser.add_argument("--legacy", required=True, type=Path, help="Python of the legacy's environment")
    parser.add_argument("--port", required=True, type=Path, help="Python of the port's environment")
    parser.add_argument("--keep", type=Path, help="folder for the files, packed")
    options = parser.parse_args()
    wrong = 0
    for release in options.releases or RELEASES:
        with tempfile.TemporaryDirectory(prefix="checkpoints-") as scratch:
            folder = Path(scratch, release)
            write(release, folder)
            files = sorted(folder.iterdir())
            said = {side: read(getattr(options, side).absolute(), side, files) for side in SIDES}
            for file in files:
                legacy, port = (said[side][file.name] for side in SIDES)
                found = find_wrong(release, file.name, legacy, port)
                wrong += bool(found)
                print(f"{release} | {file.name} | {legacy} | {port} | {found}", flush=True)
                if options.keep:
                    kept = options.keep.absolute() / f"{release}-{file.name}.tar.xz"
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    command = ["tar", "-I", "xz -6", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cf", str(kept)]
                    subprocess.run([*command, file.name], cwd=folder, check=True)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
