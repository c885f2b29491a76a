"""The bench from beginning to end: everything is started, the rows take turns, everything is removed."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bootstrap.bench import conditions, report
from bootstrap.bench.ground import prepared_ground
from bootstrap.bench.plan import Plan
from bootstrap.bench.report import Report
from bootstrap.bench.row import Measured, Missing, Row
from bootstrap.bench.rows import Rows, with_needed

Progress = Callable[[str], None]


def run_bench(folder: Path, plan: Plan, progress: Progress = lambda _what: None) -> Report:
    """Measure everything with servers of its own in a new folder below `folder`, which is removed afterwards.

    Raises:
        BenchError: a row could not be measured as it should, or there is no such row.
        LocalStackError: a server could not be started.
    """
    with_needed(plan.rows)
    load_1m = os.getloadavg()[0]
    progress("starting the servers")
    with prepared_ground(folder) as ground:
        seen = conditions.observe(
            ground, load_1m=load_1m, rounds=plan.rounds, seconds=plan.seconds, lifecycles=plan.lifecycles
        )
        rounds = take_turns(Rows(ground, plan).chosen(), plan.rounds, progress)
    return report.made(seen, rounds)


def take_turns(
    rows: Sequence[Row], rounds: int, progress: Progress = lambda _what: None
) -> dict[str, list[Measured | Missing]]:
    """Measure each row once a round, so that whatever the machine does meanwhile meets all of them alike."""
    measured: dict[str, list[Measured | Missing]] = {row.name: [] for row in rows}
    for number in range(rounds):
        for row in rows:
            progress(f"round {number + 1} of {rounds}: {row.name}")
            measured[row.name].append(row.measure(number))
    return measured
