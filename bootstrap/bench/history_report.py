"""What `guilder bench history` found: the rate of each kind of work at each length of the log, and how its cost grew."""

from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bootstrap.bench.conditions import Conditions
from bootstrap.bench.figures import Target
from bootstrap.bench.report import BUSY_LOAD

GROWTH: Final = Target(must=1.5, goal=1.1, at_most=True)
"""What work may cost with the longest log, as a multiple of what it cost with the shortest."""
WORKS: Final = {
    "append": "append (a create, decided and stored)",
    "load": "load (one payment's stream, from PostgreSQL)",
    "balance": "balance (of one merchant)",
    "list": "list (a merchant's newest payments)",
    "rebuild": "rebuild of the ledger, events",
    "project": "all read models filled, events",
}
_WITHOUT_MUST: Final = frozenset({"project"})


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What was done a second while the log held so many `events`; `rebuild` and `project` are events, the rest calls."""

    events: int
    append: float
    load: float
    balance: float
    list: float
    rebuild: float
    project: float


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of `work` cost at the last point, as a multiple of what it cost at the first.

    Nothing is to be met where there is one point only.
    """

    work: str
    cost: float
    must: float | None
    met: bool | None


class HistoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as `--json` writes it."""

    conditions: Conditions
    points: tuple[Point, ...]
    growth: tuple[Growth, ...]


def made(conditions: Conditions, points: Sequence[Point]) -> HistoryReport:
    """The report on what was measured, of one point at least."""
    return HistoryReport(
        conditions=conditions,
        points=tuple(points),
        growth=tuple(_growth(points[0], points[-1], work) for work in WORKS),
    )


def _growth(first: Point, last: Point, work: str) -> Growth:
    cost = getattr(first, work) / getattr(last, work)
    if work in _WITHOUT_MUST or first is last:
        return Growth(work=work, cost=cost, must=None, met=None)
    return Growth(work=work, cost=cost, must=GROWTH.must, met=GROWTH.met(cost))


def show(console: Console, report: HistoryReport) -> None:
    """Print what each kind of work did a second at each length of the log, and how its cost grew."""
    table = Table(title="A second, by the length of the log", title_justify="left")
    table.add_column("work")
    for point in report.points:
        table.add_column(f"{point.events:,}\nevents", justify="right")
    for heading in ("cost grew to", "must", ""):
        table.add_column(heading, justify="right")
    for one in report.growth:
        rates = [f"{getattr(point, one.work):,.0f}" for point in report.points]
        verdict = "" if one.met is None else "[green]met[/green]" if one.met else "[red]not met[/red]"
        must = "–" if one.must is None else f"≤ {one.must:g} ×"
        table.add_row(WORKS[one.work], *rates, f"{one.cost:.2f} ×", must, verdict)
    console.print(table)
    seen = report.conditions
    console.print(
        f"{seen.cores} cores, {seen.memory_gib} GiB, load {seen.load_1m:.2f} before it began; {seen.system}; Python "
        f"{seen.python}; PostgreSQL {seen.postgres}, fsync {seen.postgres_fsync}; {seen.connections} {seen.generator}; "
        f"{seen.seconds:g} s for each figure; seven events a payment",
        soft_wrap=True,
    )
    if seen.load_1m > seen.cores * BUSY_LOAD:
        console.print(f"[yellow]The machine was busy (load {seen.load_1m:.2f}) before it began.[/yellow]")
