"""Every target of the project: one target, one verb, one line. ``nox -l`` lists them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint"]

PYTHON = "3.11"
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HAS_LEGACY = any(Path("legacy_tf").glob("*.py"))
WHOLE_RUNS = [folder for folder in ("tests/guard", "tests/end_to_end") if Path(folder).is_dir()]
MUTANTS = ["tests/mutants"] if Path("tests/mutants").is_dir() else []  # they go with the legacy
HAS_GPU = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()  # as in parity/devices.py
# Lock -> dependency groups of pyproject.toml that it is compiled from.
LOCKS = {
    "requirements-core.txt": "core",
    "requirements-tf.txt": "tf",
    "requirements-tf-test.txt": "tf-test",
    "requirements-tf-cuda.txt": "tf-cuda",
    "requirements-torch.txt": "torch",
    "requirements-torch-test.txt": "torch-test",
    "requirements-browser.txt": "browser",
    "requirements-dev.txt": "dev",
}
COMPILE = (
    "uv", "pip", "compile", "pyproject.toml", "--quiet", "--generate-hashes", "--no-header",
    "--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_28",
)  # fmt: skip


def sync(session: nox.Session, lock: str) -> None:
    """Make the session's environment exactly what the lock says: nothing missing, nothing stray, compiled for a quick start."""
    session.run_install("uv", "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", lock)


def run_parity(session: nox.Session, *words: str, package: str = "parity") -> None:
    """Run ``python -m parity`` in the core environment and leave with its exit code."""
    sync(session, "requirements-core.txt")
    if session.run("python", "--version", silent=True) is None:
        return  # nox --install-only
    python = Path(session.bin) / "python"
    code = run_to_its_end([str(python), "-m", package, *words, *session.posargs], session_environment(session))
    if code:
        raise SystemExit(code)


def run_to_its_end(command: list[str], environment: dict[str, str]) -> int:
    """Run a command and return its exit code. What interrupts nox is handed on: the command ends its processes and says so."""
    process = subprocess.Popen(command, env=environment)
    listened = [number for number in INTERRUPTIONS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: process.send_signal(number)) for number in listened}
    try:
        return process.wait()
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def session_environment(session: nox.Session) -> dict[str, str]:
    """Tell the core where the two sides' environments are, and the tests where nox is."""
    root = Path(session.bin).parent.parent
    sides = {f"PARITY_{side.upper()}_PYTHON": str(root / side / "bin" / "python") for side in ("legacy", "port")}
    return {**os.environ, **sides, "PARITY_NOX_PYTHON": sys.executable}


@nox.session(python=PYTHON, default=False)
def legacy(session: nox.Session) -> None:
    """Make the TensorFlow environment."""
    if not HAS_LEGACY:
        session.error("legacy_tf is retired: nox -s guard holds the port against what it did")
    sync(session, "requirements-tf-cuda.txt" if HAS_GPU else "requirements-tf.txt")


@nox.session(python=PYTHON, default=False)
def port(session: nox.Session) -> None:
    """Make the PyTorch environment."""
    sync(session, "requirements-torch.txt")


@nox.session(python=PYTHON, default=False, requires=["legacy", "port"])
def parity(session: nox.Session) -> None:
    """Prove that the port matches: record both sides, compare, report. See --help after --."""
    run_parity(session, "run")


@nox.session(python=PYTHON, default=False, requires=["legacy", "port"])
def faults(session: nox.Session) -> None:
    """Plant known mistakes in the port and say which of them the gates catch. See --help after --."""
    run_parity(session, "faults")


@nox.session(python=PYTHON, default=False, requires=["legacy", "port"])
def mutants(session: nox.Session) -> None:
    """Change the port in small ways, one at a time, and say which changes nothing notices. See --help after --."""
    session.run_install(sys.executable, "-m", "nox", "--session", "port_test", "--install-only", external=True, silent=True)
    run_parity(session, package="tests.mutants")


@nox.session(python=PYTHON, default=False, requires=["legacy", "port"] if HAS_LEGACY else ["port"])
def bench(session: nox.Session) -> None:
    """Time both sides in turns: nox -s bench -- [--what ...], or merge A B. See --help after --."""
    run_parity(session, *([] if session.posargs[:1] == ["merge"] else ["run"]), package="benchmarks")


@nox.session(python=PYTHON, default=False)
def report(session: nox.Session) -> None:
    """Render the report of a finished run again: nox -s report -- RUN."""
    run_parity(session, "report")


@nox.session(python=PYTHON, default=False)
def signoff(session: nox.Session) -> None:
    """Sign a run off, or see whether that still holds: nox -s signoff -- sign|verify|keygen. See --help after --."""
    run_parity(session, "signoff")


@nox.session(python=PYTHON, default=False, requires=["port"])
def guard(session: nox.Session) -> None:
    """Hold the port against what the legacy did, without TensorFlow. See --help after --."""
    run_parity(session, "guard")


@nox.session(python=PYTHON, default=False)
def retire(session: nox.Session) -> None:
    """Remove the legacy, once the migration is signed off: nox -s retire -- [--dry-run]."""
    run_parity(session, "retire")


@nox.session(python=PYTHON, default=False)
def browser_test(session: nox.Session) -> None:
    """Look at the report in the system's Chromium: accessibility, print, nothing from outside."""
    sync(session, "requirements-browser.txt")
    session.run("python", "-m", "pytest", "tests/browser", *session.posargs)


@nox.session(python=PYTHON, default=False)
def port_test(session: nox.Session) -> None:
    """Test the port in its environment, with two other Grad-CAM libraries as oracles."""
    sync(session, "requirements-torch-test.txt")
    session.run("python", "-m", "pytest", "tests/torch_port", "--numprocesses", "2", *session.posargs)


@nox.session(python=PYTHON, default=False, requires=["legacy"])
def legacy_test(session: nox.Session) -> None:
    """Test the frozen pipeline in its environment."""
    sync(session, "requirements-tf-test.txt")
    session.run("python", "-m", "pytest", "tests/legacy_tf", "--numprocesses", "2", *session.posargs)


@nox.session(
    python=PYTHON, requires=["legacy_test", "port_test", "browser_test", "port"] if HAS_LEGACY else ["port_test", "port"]
)
def tests(session: nox.Session) -> None:
    """Test everything, in at most 20 minutes on two quiet cores, and measure which branches of the parity core are missed."""
    sync(session, "requirements-core.txt")
    environment = {**session_environment(session), "COVERAGE_FILE": str(Path(session.bin).parent / "coverage")}
    # Measuring makes Python slower by half. A choice of tests covers less, and so do those that outlive the legacy.
    measured = HAS_LEGACY and not session.posargs
    python = ("python", "-m", "coverage", "run", "-m") if measured else ("python", "-m")
    if measured:
        session.run("python", "-m", "coverage", "erase", env=environment, silent=True)
    # A choice of tests (-k) may leave one of the two with none.
    for words in (["tests/parity", "tests/benchmarks", *MUTANTS], WHOLE_RUNS):
        session.run(
            *python, "pytest", *words, "--numprocesses", "2", "-m", "not slow", *session.posargs,
            env=environment, success_codes=[0, 5] if session.posargs else [0],
        )  # fmt: skip
    if measured:
        session.run("python", "-m", "coverage", "combine", "--quiet", env=environment)
        session.run("python", "-m", "coverage", "report", env=environment)


@nox.session(python=PYTHON, default=False, requires=["legacy", "port"])
def proofs(session: nox.Session) -> None:
    """Prove what is too long for the tests: whole runs on the demo and on real tissue."""
    sync(session, "requirements-core.txt")
    session.run(
        "python", "-m", "pytest", "tests/parity", "tests/benchmarks", *WHOLE_RUNS, "-m", "slow", "-s", *session.posargs,
        env=session_environment(session),
    )  # fmt: skip


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and, in the parity core, types."""
    sync(session, "requirements-dev.txt")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session(python=PYTHON, default=False)
def lock(session: nox.Session) -> None:
    """Compile the locks again from the dependency groups of pyproject.toml."""
    sync(session, "requirements-core.txt")
    for name, group in LOCKS.items():
        session.run_install(*COMPILE, "--group", group, "-o", name, *session.posargs, external=True)
    session.run("python", "-m", "parity.locks", *(word for pair in LOCKS.items() for word in pair))
