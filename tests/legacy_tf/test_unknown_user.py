"""The frozen pipeline where there is no home and the system does not know the user, as in containers."""

from __future__ import annotations

from pathlib import Path

from tests.unknown_user import PROJECT, import_as_unknown_user, run_as_unknown_user

FILES = (
    "parity/sides/legacy*.py", "parity/gates/*/legacy.py", "parity/demo/checkpoint.py", "parity/demo/training.py",
    "parity/demo/settling.py", "parity/faults/legacy_*.py", "benchmarks/legacy.py", "legacy_tf/**/*.py",
)  # fmt: skip


def test_every_module_of_the_legacy_imports_without_a_home(tmp_path: Path):
    import_as_unknown_user(sorted({path for pattern in FILES for path in PROJECT.glob(pattern)}), tmp_path)


def test_a_command_without_a_home_leaves_nothing_where_it_was_started(tmp_path: Path):
    """Keras makes a folder for its settings, which without a home would be one named ``~``."""
    words = ("evaluate", "--data", tmp_path / "nowhere", "--checkpoint", tmp_path / "none.h5", "--out", tmp_path / "out")
    done = run_as_unknown_user("-m", "legacy_tf", *words, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "~").exists()
