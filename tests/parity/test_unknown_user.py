"""Nothing of the project asks the environment when it is imported, nor needs a home, a user's name or a terminal."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.workspace import PROJECT
from tests.parity.test_imports import LEGACY_FILES, PORT_FILES, core_files, files
from tests.unknown_user import import_as_unknown_user, run_as_unknown_user

PACKAGES = ("parity", "torch_port", "legacy_tf", "benchmarks")
ASKS = {
    "home", "expanduser", "cwd", "getcwd", "getuser", "getlogin", "getuid", "getpwuid", "environ", "getenv", "gettempdir",
    "cpu_count", "sched_getaffinity", "gethostname", "isatty", "getlocale", "getpreferredencoding", "terminal_size",
}  # fmt: skip
# What the keys of recordings must say: variables as they were before a framework set some. It cannot fail.
ALLOWED = {"parity/reuse.py": ["environ"]}


def asked_at_import(tree: ast.AST) -> Iterator[str]:
    """Yield what the code of a module itself asks, not that of its functions; their defaults and decorators are its own."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for part in (*getattr(node, "decorator_list", ()), *node.args.defaults, *filter(None, node.args.kw_defaults)):
                yield from asked_at_import(ast.Expression(part))
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.setdefault":  # what it tells a framework
            continue
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in ASKS:
                yield name
        yield from asked_at_import(node)


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_asks_the_environment_at_import(package: str):
    found = {}
    for path in sorted((PROJECT / package).rglob("*.py")):
        name = str(path.relative_to(PROJECT))
        asked = list(asked_at_import(ast.parse(path.read_text(encoding="utf-8"))))
        if asked != ALLOWED.get(name, []):
            found[name] = asked
    assert not found


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("from pathlib import Path\nHOME = Path.home()", ["home"]),
        ("import os\nclass A:\n    cores = os.cpu_count()", ["cpu_count"]),
        ("import os\ndef f(name=os.environ['USER']): ...", ["environ"]),
        ("import os\ndef f():\n    return os.environ['USER']", []),
        ("import os\nos.environ.setdefault('A', '1')", []),
    ],
)
def test_the_rule_sees_what_is_asked(source: str, asked: list[str]):
    assert list(asked_at_import(ast.parse(source))) == asked


def test_every_core_module_imports_without_a_home(tmp_path: Path):
    import_as_unknown_user(sorted(core_files()), tmp_path)


@pytest.mark.parametrize("package", ["parity", "benchmarks"])
def test_the_command_lines_start_without_a_home(package: str, tmp_path: Path):
    done = run_as_unknown_user("-m", package, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_a_terminal_that_lacks_characters_is_shown_others(tmp_path: Path):
    program = (
        "import typer; from parity.options import run_app; app = typer.Typer()\n"
        "@app.command()\ndef run():\n    print('–')\n"
        "run_app(app, 'parity', interrupted='')\n"
    )
    done = run_as_unknown_user("-c", program, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\u2013\n", "")


def test_a_side_has_a_home_where_the_command_has_none(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from parity.processes import run_side\n"
        "run_side('port', ['-c', 'from pathlib import Path; print(Path.home())'], log=Path('log.txt'), listen=print)\n"
    )
    program = f"import os; os.environ['PARITY_PORT_PYTHON'] = {sys.executable!r}\n{program}"
    done = run_as_unknown_user("-c", program, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log.txt").read_text() == f"{tmp_path}\n"


def test_every_file_is_in_one_of_the_three_environments():
    every = {path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")}
    assert every == core_files() | files(*LEGACY_FILES) | files(*PORT_FILES)
