"""`python -m benchmarks` without compiled contestants: python bench_small.py run ..."""
import sys
from dataclasses import replace
from benchmarks import cli, plan

whole = plan.make_plan


def make_plan(*arguments, **words):
    kept = []
    for comparison in whole(*arguments, **words):
        rows = tuple(row for row in comparison.contestants if not row.options.get("compiled"))
        kept.append(replace(comparison, contestants=rows, rounds=int(__import__("os").environ.get("GPU_ROUNDS", comparison.rounds))))
    return kept


cli.make_plan = make_plan
cli.main()
