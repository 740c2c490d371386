"""A command inside a warm process: its exit code, its words, and what is no finding about a side."""

from __future__ import annotations

import argparse
import sys

import pytest

from parity.command_line import flatten, run_command
from parity.errors import BadInputError, CommandFailed


def main(arguments: list[str]) -> int:
    """Print, and end as the words say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("code", type=int)
    parser.add_argument("--say", default="")
    options = parser.parse_args(arguments)
    print("to standard output")
    print(options.say, file=sys.stderr)
    return int(options.code)


def test_what_a_command_prints_goes_to_the_error_output(capfd: pytest.CaptureFixture[str]):
    """The standard output of a recorder is its progress."""
    assert run_command(main, [0, *flatten({"--say": "to the error output"})]) == 0
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[:2] == ["to standard output", "to the error output"]


def test_an_exit_code_that_is_no_answer_says_the_last_words():
    with pytest.raises(CommandFailed, match=r"^exit code 2: error: no such layer$"):
        run_command(main, [2, "--say", "error: no such layer"])
    assert run_command(main, [1], allowed=(0, 1)) == 1


def test_an_option_that_is_not_known_is_a_finding():
    with pytest.raises(CommandFailed, match=r"^exit code 2: .*unrecognized arguments: --samples 3"):
        run_command(main, [0, *flatten({"--samples": 3})])


def test_a_full_disk_is_no_finding():
    with pytest.raises(BadInputError, match="be a place that can be written"):
        run_command(main, [2, "--say", "error: `out` must be a place that can be written, got No space left"])


def test_an_interrupted_command_interrupts():
    with pytest.raises(KeyboardInterrupt):
        run_command(main, [130, "--say", "interrupted"])
