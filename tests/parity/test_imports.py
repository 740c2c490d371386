"""tensorflow and torch never meet, and the core imports neither: every import is walked, inside functions too."""

from __future__ import annotations

import ast
import doctest
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.signoff.retired import legacy_is_gone
from parity.workspace import PROJECT

TENSORFLOW = {"tensorflow", "keras", "tensorflow_addons", "legacy_tf"}
TORCH = {"torch", "torchvision", "lightning", "torchmetrics", "captum", "torch_port"}
# Which files may import a framework; every other file of the project may not.
LEGACY_FILES = (
    "parity/sides/legacy*.py",
    "parity/gates/*/legacy.py",
    "parity/demo/checkpoint.py",
    "parity/demo/training.py",
    "parity/demo/settling.py",
    "parity/faults/legacy_*.py",
    "benchmarks/legacy.py",
    "legacy_tf/**/*.py",
)
PORT_FILES = (
    "parity/sides/port*.py",
    "parity/gates/*/port.py",
    "parity/faults/port_*.py",
    "benchmarks/port.py",
    "torch_port/**/*.py",
)
CORE_PACKAGES = ("parity/**/*.py", "benchmarks/**/*.py")
# What runs in either side's process, or times it, and what the standard library and the project's lines are enough for.
BARE_FILES = tuple(f"benchmarks/{name}.py" for name in ("memory", "plan", "timing", "worker"))
BARE_IMPORTS = {"parity.lines", "parity.lines.serve", "benchmarks.timing", "benchmarks.timing.Slowed", "benchmarks.timing.Task"}
# A recorder may ask what a layer is, but may not make one, nor a loss, an optimizer, a metric or a training loop of its own.
FORBIDDEN_CALLS = (
    "tf.keras.layers.",
    "tf.keras.losses.",
    "tf.keras.optimizers.",
    "tf.keras.metrics.",
    "tf.nn.",
    "tf.GradientTape",
    "nn.",
    "torch.nn.",
    "torch.optim.",
    "torch.autograd.",
    "torchmetrics.",
    "captum.",
    "F.",
)
FORBIDDEN_METHODS = {"backward", "fit", "train_on_batch", "apply_gradients", "zero_grad"}
ALLOWED_CALLS = {
    # The gate injects gradients where `fit` would hand over its own: into the optimizer that the legacy compiled.
    "parity/gates/optimizer/legacy.py": {"optimizer.apply_gradients"},
    # The model's own `fit`, with a callback that looks at the clock; and an Adam that is asked whether Keras compiles it here.
    "benchmarks/legacy.py": {"fit", "tf.keras.optimizers.Adam"},
    # One step on a resident batch, as Lightning does it: nothing of it takes a step without a loader.
    "benchmarks/port.py": {"self.optimizer.zero_grad", "loss.backward"},
}


def files(*patterns: str) -> set[Path]:
    return {path for pattern in patterns for path in PROJECT.glob(pattern)}


def core_files() -> set[Path]:
    return files(*CORE_PACKAGES) - files(*LEGACY_FILES, *PORT_FILES)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def test_the_walk_sees_imports_inside_functions(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text("def f():\n    if True:\n        from torch.nn import functional\n")
    assert roots(path) == {"torch"}


@pytest.mark.parametrize("path", sorted(core_files()), ids=lambda path: str(path.relative_to(PROJECT)))
def test_the_core_imports_no_framework(path: Path):
    assert not roots(path) & (TENSORFLOW | TORCH)
    framework_modules = {
        ".".join(file.relative_to(PROJECT).with_suffix("").parts) for file in files(*LEGACY_FILES, *PORT_FILES)
    }
    assert not set(imported(path)) & framework_modules


def test_the_sides_do_not_meet():
    assert bool(files(*LEGACY_FILES)) != legacy_is_gone(PROJECT)
    assert files(*PORT_FILES)
    for path in files(*LEGACY_FILES):
        assert not roots(path) & TORCH, path
    for path in files(*PORT_FILES):
        assert not roots(path) & TENSORFLOW, path


def test_the_core_environment_holds_neither_framework():
    for name in ("tensorflow", "torch"):
        with pytest.raises(ImportError):
            importlib.import_module(name)


@pytest.mark.parametrize("path", sorted(core_files()), ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_core_module_imports_here_and_its_examples_are_true(path: Path):
    if path.name != "__main__.py":
        name = ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_walk_covers_the_benchmark():
    core = {path.name for path in core_files() if path.parent.name == "benchmarks"}
    assert core >= {"audit.py", "cli.py", "drive.py", "intervals.py", "memory.py", "plan.py", "summary.py", "timing.py"}
    assert not core & {"legacy.py", "port.py"}
    assert PROJECT / "benchmarks" / "port.py" in drivers() & files(*PORT_FILES)
    assert (PROJECT / "benchmarks" / "legacy.py" in drivers() & files(*LEGACY_FILES)) != legacy_is_gone(PROJECT)


@pytest.mark.parametrize("name", BARE_FILES)
def test_what_times_needs_no_package(name: str):
    path = PROJECT / name
    assert {found for found in imported(path) if found.partition(".")[0] not in sys.stdlib_module_names} <= BARE_IMPORTS


def recorders() -> set[Path]:
    return files("parity/gates/*/legacy.py", "parity/gates/*/port.py", "parity/sides/*.py")


def drivers() -> set[Path]:
    return files("benchmarks/legacy.py", "benchmarks/port.py")


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", sorted(recorders() | drivers()), ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_recorder_or_driver_drives_the_real_thing_and_has_none_of_its_own(path: Path):
    made = {name for name in calls(path) if name.startswith(FORBIDDEN_CALLS) or name.rpartition(".")[2] in FORBIDDEN_METHODS}
    assert made == ALLOWED_CALLS.get(str(path.relative_to(PROJECT)), set())


# What a driver's classes may be: something to time, or something that looks on.
BASES = {"Task", "LegacyTask", "PortTask", "tf.keras.callbacks.Callback", "Callback", "TorchDispatchMode"}


def bases(path: Path) -> set[str]:
    classes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
    return {ast.unparse(base) for node in classes for base in node.bases}


@pytest.mark.parametrize("path", sorted(recorders() | drivers()), ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_recorder_or_driver_makes_a_class_of_a_framework_its_own(path: Path):
    assert bases(path) <= (BASES if path in drivers() else set())


def test_the_rule_sees_a_recorder_with_a_layer(tmp_path: Path):
    path = tmp_path / "port.py"
    path.write_text("def record(side, out):\n    return nn.Linear(3, 3)\n")
    assert list(calls(path)) == ["nn.Linear"]
    assert "nn.Linear".startswith(FORBIDDEN_CALLS)
    path.write_text("class Mine(nn.Module):\n    pass\n")
    assert bases(path) == {"nn.Module"}
    assert not bases(path) & BASES
