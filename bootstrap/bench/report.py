"""The report: ratios first, each beside what it must be, then the figures they come from; as a table and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bootstrap.bench.conditions import Conditions
from bootstrap.bench.figures import Rounds, Target
from bootstrap.bench.row import Measured, Missing

ECHO: Final = "raw ASGI echo"
CREATE: Final = "durable create"
SINGLE: Final = "create, a transaction a request"
PACED: Final = "create, paced"
AUTHORIZE: Final = "authorize"
BALANCE: Final = "balance"
PGBENCH: Final = "pgbench"
OBSERVED: Final = "durable create, observed"
UNOBSERVED: Final = "durable create, unobserved"
REBUILD: Final = "ledger rebuilt, log events"

RATIOS: Final = (
    (CREATE, ECHO, Target(must=0.33, goal=0.45)),
    (CREATE, SINGLE, Target(must=4, goal=6)),
    (CREATE, PGBENCH, Target(must=0.6, goal=0.9)),
    (AUTHORIZE, CREATE, Target(must=0.8, goal=0.9)),
    (BALANCE, ECHO, Target(must=0.6, goal=0.8)),
    (REBUILD, CREATE, Target(must=3, goal=3.5)),
    (OBSERVED, UNOBSERVED, Target(must=0.9, goal=1)),
)
"""What is set beside what, and what the ratio has to be."""

PACED_P99_MS: Final = Target(must=None, goal=6, at_most=True)
NOT_MEASURED: Final = (
    "ledger posted live by one worker / create",
    "whole flow: payments and ledger transactions a second, lag, losses",
)
"""What a full report would have too, and this one has not."""

BUSY_LOAD: Final = 0.25
"""A machine with more than this share of its cores in use before the bench begins is not measured fairly."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """`work` as a multiple of `against`: the median over the rounds, the rounds themselves, and the verdict.

    `value` is null, and `missing` says why, where one of the two has no figure. `short_of_goal` is a share of the goal.
    """

    work: str
    against: str
    must: float | None
    goal: float
    value: float | None = None
    rounds: tuple[float, ...] = ()
    met: bool | None = None
    short_of_goal: float | None = None
    missing: str | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row's medians over its rounds; times in milliseconds, shares of one core."""

    name: str
    per_second: float | None = None
    rounds: tuple[float, ...] = ()
    p50_ms: float | None = None
    p99_ms: float | None = None
    generator_cpu: float | None = None
    server_cpu: float | None = None
    generator_was_busy: bool = False
    missing: str | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Paced creates beside the disk: what a client waits, and what one `fdatasync` takes.

    Where fewer were answered (`per_second`) than were asked, the latency is that of a queue that grew.
    """

    asked_per_second: float
    per_second: float
    p50_ms: float
    p99_ms: float
    goal_p99_ms: float
    short_of_goal: float
    fdatasync_p50_ms: float
    fdatasync_p99_ms: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as `--json` writes it."""

    conditions: Conditions
    ratios: tuple[Ratio, ...]
    latency: Latency
    figures: tuple[Figure, ...]
    not_measured: tuple[str, ...] = NOT_MEASURED


Measurements = Mapping[str, Sequence[Measured | Missing]]


def made(conditions: Conditions, measurements: Measurements) -> Report:
    """The report on what was measured; each row has as many rounds as every other."""
    figures = {name: figure(name, rounds) for name, rounds in measurements.items()}
    paced = figures[PACED]
    asked = _median_of([one.asked_per_second for one in measurements[PACED] if isinstance(one, Measured)])
    assert asked is not None, "a paced row knows its rate"
    assert paced.per_second is not None, "the paced run has figures or the bench fails"
    assert paced.p50_ms is not None
    assert paced.p99_ms is not None
    return Report(
        conditions=conditions,
        ratios=tuple(
            ratio(measurements[work], measurements[against], figures[work], figures[against], target)
            for work, against, target in RATIOS
        ),
        latency=Latency(
            asked_per_second=asked,
            per_second=paced.per_second,
            p50_ms=paced.p50_ms,
            p99_ms=paced.p99_ms,
            goal_p99_ms=PACED_P99_MS.goal,
            short_of_goal=PACED_P99_MS.short_of_goal(paced.p99_ms),
            fdatasync_p50_ms=conditions.fdatasync_p50_ms,
            fdatasync_p99_ms=conditions.fdatasync_p99_ms,
        ),
        figures=tuple(figures.values()),
    )


def rates(rounds: Sequence[Measured | Missing]) -> Rounds:
    """What a row did a second, round by round; all of them must have been measured."""
    return Rounds(tuple(one.per_second for one in rounds if isinstance(one, Measured)))


def figure(name: str, rounds: Sequence[Measured | Missing]) -> Figure:
    """A row's medians; the reason instead where a round is missing."""
    measured = [one for one in rounds if isinstance(one, Measured)]
    if len(measured) < len(rounds):
        return Figure(name=name, missing=next(one.reason for one in rounds if isinstance(one, Missing)))
    return Figure(
        name=name,
        per_second=rates(measured).median,
        rounds=rates(measured).values,
        p50_ms=_median_of([one.p50_ms for one in measured]),
        p99_ms=_median_of([one.p99_ms for one in measured]),
        generator_cpu=_median_of([one.generator_cpu for one in measured]),
        server_cpu=_median_of([one.server_cpu for one in measured]),
        generator_was_busy=any(one.generator_was_busy for one in measured),
    )


def _median_of(values: Sequence[float | None]) -> float | None:
    present = tuple(value for value in values if value is not None)
    return Rounds(present).median if present else None


def ratio(
    mine: Sequence[Measured | Missing],
    theirs: Sequence[Measured | Missing],
    work: Figure,
    against: Figure,
    target: Target,
) -> Ratio:
    """One row over another, round by round, and whether the median is what it must be."""
    empty = Ratio(work=work.name, against=against.name, must=target.must, goal=target.goal)
    missing = work.missing or against.missing
    if missing is not None:
        return msgspec.structs.replace(empty, missing=missing)
    rounds = rates(mine).over(rates(theirs))
    return msgspec.structs.replace(
        empty,
        value=rounds.median,
        rounds=rounds.values,
        met=target.met(rounds.median),
        short_of_goal=target.short_of_goal(rounds.median),
    )


def show(console: Console, report: Report) -> None:
    """Print the ratios, the latency, and the figures behind them."""
    seen = report.conditions
    console.print(_ratio_table(report))
    latency = report.latency
    console.print(
        f"create paced at {latency.asked_per_second:,.0f}/s, {latency.per_second:,.0f}/s answered: p50 {latency.p50_ms:.2f} ms, p99 {latency.p99_ms:.2f} ms "
        f"(goal p99 ≤ {latency.goal_p99_ms:g} ms: {latency.p99_ms / latency.goal_p99_ms:.2f} × that); one fdatasync on the same disk: "
        f"p50 {latency.fdatasync_p50_ms:.2f} ms, p99 {latency.fdatasync_p99_ms:.2f} ms",
        soft_wrap=True,
    )
    console.print(_figure_table(report))
    console.print(
        f"{seen.cores} cores, {seen.memory_gib} GiB, load {seen.load_1m:.2f} before it began; {seen.system}; "
        f"Python {seen.python}; uvicorn {seen.uvicorn}; PostgreSQL {seen.postgres}, fsync {seen.postgres_fsync}; "
        f"{seen.connections} connections, {seen.generator}; {seen.rounds} rounds of {seen.seconds:g} s, interleaved; "
        f"a ledger of {seen.lifecycles} paid lifecycles",
        soft_wrap=True,
    )
    if seen.load_1m > seen.cores * BUSY_LOAD:
        console.print(
            f"[yellow]The machine was busy (load {seen.load_1m:.2f}): this is no verdict on the code.[/yellow]"
        )
    for name in report.not_measured:
        console.print(f"not measured yet: {name}")


def _ratio_table(report: Report) -> Table:
    table = Table(title="Ratios", title_justify="left")
    for heading in ("work / against", "ratio", "rounds", "must", "goal", "musts", "to the goal"):
        table.add_column(heading, justify="left" if heading in {"work / against", "musts"} else "right")
    for one in report.ratios:
        name = f"{one.work} /\n  {one.against}"
        must = "–" if one.must is None else f"{one.must:g}"
        if one.value is None or one.short_of_goal is None:
            table.add_row(name, "–", "–", must, f"{one.goal:g}", one.missing, "–")
            continue
        table.add_row(
            name,
            f"{one.value:.2f}",
            f"{min(one.rounds):.2f} … {max(one.rounds):.2f}",
            must,
            f"{one.goal:g}",
            "[green]met[/green]" if one.met else "[red]not met[/red]",
            "reached" if one.short_of_goal == 0 else f"{one.short_of_goal:.0%} short",
        )
    return table


def _figure_table(report: Report) -> Table:
    table = Table(title="Figures (medians)", title_justify="left")
    for heading in ("row", "per second", "p50 ms", "p99 ms", "server", "generator", "remark"):
        table.add_column(heading, justify="left" if heading in {"row", "remark"} else "right")
    for one in report.figures:
        remark = one.missing or ("generator was busy" if one.generator_was_busy else "")
        table.add_row(
            one.name,
            _number(one.per_second, ",.0f"),
            _number(one.p50_ms, ".2f"),
            _number(one.p99_ms, ".2f"),
            _number(one.server_cpu, ".0%"),
            _number(one.generator_cpu, ".0%"),
            remark,
        )
    return table


def _number(value: float | None, shape: str) -> str:
    return "–" if value is None else format(value, shape)
