"""``nox -s mutants``: change the port in small ways, one at a time, and say which changes nothing notices."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parity.children import become_interruptible
from parity.console import show_progress
from parity.errors import BadInputError
from parity.files import write_whole
from parity.workspace import PROJECT
from tests.mutants.copies import PACKAGE, TESTS, changed_since
from tests.mutants.generate import Mutant, read_mutants
from tests.mutants.judge import SURVIVED, make_judge
from tests.mutants.judged import is_judged, list_stale, read_judged

FOLDER = PROJECT / "runs" / "mutants"
BAD_INPUT = 2


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the words of the command line."""
    parser = argparse.ArgumentParser(prog="nox -s mutants --", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="judge so many, drawn at random; left out, all")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the sample")
    parser.add_argument("--since", metavar="REV", help="only definitions that changed since this revision")
    parser.add_argument(
        "--module", action="append", metavar="NAME", help="only this module, for example losses; again for more"
    )
    parser.add_argument("--id", action="append", metavar="ID", help="only this mutant; again for more")
    parser.add_argument("--list", action="store_true", help="list them, and judge none")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="mutants at a time (default: 2)")
    parser.add_argument(
        "--tests", nargs="+", default=[TESTS], metavar="PATH", help="unit tests to ask (default: all of the port)"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder instead of the demo's")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="checkpoint instead of the demo's")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="folder of results (default: runs/mutants)")
    options = parser.parse_args(words)
    if (options.data is None) != (options.checkpoint is None):
        parser.error("--data and --checkpoint are given together")
    return options


def choose(options: argparse.Namespace, mutants: list[Mutant]) -> list[Mutant]:
    """Return the mutants that were asked for; a sample is the same for the same seed and code."""
    if options.since:
        mutants = changed_since(options.since, mutants)
    if options.module:
        mutants = [mutant for mutant in mutants if mutant.module in options.module]
    if options.id:
        mutants = [mutant for mutant in mutants if mutant.id in options.id]
    if options.sample is not None and options.sample < len(mutants):
        mutants = random.Random(options.seed).sample(mutants, options.sample)
    return mutants


def main() -> int:
    """Return the exit code: 1 if there are survivors that nobody has judged, 2 for bad input."""
    options = parse()
    judged, every = read_judged(), read_mutants(PROJECT / PACKAGE)
    try:
        mutants = choose(options, every)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    if options.list:
        print("\n".join(f"{mutant.id}    was: {' '.join(mutant.old.split())[:60]}" for mutant in mutants))
        print(f"{len(mutants)} of {len(every)} mutants")
        return 0
    become_interruptible()
    source = None if options.data is None else (options.data, options.checkpoint)
    try:
        with show_progress() as listen:
            judge = make_judge(options.out, source, options.jobs, listen, options.tests)
        rows = judge.run(mutants, lambda mutant, row: print(render(row), flush=True))
    except BadInputError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    new = [
        row for mutant, row in zip(mutants, rows, strict=True) if row["verdict"] == SURVIVED and not is_judged(mutant, judged)
    ]
    write_whole(options.out / "mutants.json", json.dumps({"mutants": rows, "unjudged": new}, indent=1) + "\n")
    print(summarise(rows, new, list_stale(every, judged)))
    return 1 if new else 0


def render(row: dict[str, Any]) -> str:
    """Return a mutant's line."""
    how = f"by {row['by']} ({row['how']})" if row["by"] else row["said"]
    return f"{row['verdict']} {row['id']} {how} {row['seconds']:.0f} s".replace("  ", " ")


def summarise(rows: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], stale: Sequence[str]) -> str:
    """Return what came of it."""
    killed = Counter("gate" if row["by"].startswith("gate") else row["how"] for row in rows if row["verdict"] != SURVIVED)
    raised = sum(row["how"] == "raised" for row in rows)
    survived = sum(row["verdict"] == SURVIVED for row in rows)
    lines = [
        f"{len(rows)} mutants: {killed['gate']} seen by gates ({raised} because the port raised), "
        f"{killed['test']} by unit tests, {killed['time']} by time, "
        f"{survived} survived, of which {survived - len(new)} are judged; {sum(row['seconds'] for row in rows):.0f} s in all"
    ]
    lines += [
        f"\nnot judged: {row['id']}\n  was: {row['old']}\n  now: {row['new']}\n  source = {row['source']!r}" for row in new
    ]
    lines += [f"\njudged.toml: {id} is gone, or its code has changed" for id in stale]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
