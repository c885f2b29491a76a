"""The report: ratios first, each beside what it must be, then the figures they come from; `--json` writes it as it is."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

import msgspec

from bootstrap.bench.conditions import Conditions
from bootstrap.bench.figures import Rounds, Target
from bootstrap.bench.flow_round import FlowRound
from bootstrap.bench.row import Measured, Missing

ECHO: Final = "raw ASGI echo"
BARE: Final = "bare append"
CREATE: Final = "durable create"
SINGLE: Final = "create, a transaction a request"
PACED: Final = "create, paced"
AUTHORIZE: Final = "authorize"
BALANCE: Final = "balance"
PGBENCH: Final = "pgbench"
OBSERVED: Final = "durable create, observed"
UNOBSERVED: Final = "durable create, unobserved"
REBUILD: Final = "ledger rebuilt, log events"
LIVE: Final = "ledger posted live, log events"
FLOW: Final = "whole flow, payments"

RATIOS: Final = (
    (CREATE, ECHO, Target(must=0.33, goal=0.45)),
    (BARE, ECHO, Target(must=None, goal=0.47)),
    (CREATE, SINGLE, Target(must=4, goal=6)),
    (CREATE, PGBENCH, Target(must=0.6, goal=0.9)),
    (AUTHORIZE, CREATE, Target(must=0.8, goal=0.9)),
    (BALANCE, ECHO, Target(must=0.6, goal=0.8)),
    (REBUILD, CREATE, Target(must=3, goal=3.5)),
    (LIVE, CREATE, Target(must=0.75, goal=1)),
    (OBSERVED, UNOBSERVED, Target(must=0.9, goal=1)),
)
"""What is set beside what, and what the ratio has to be."""

PACED_P99_MS: Final = Target(must=None, goal=6, at_most=True)
LEDGER_PER_SECOND: Final = Target(must=None, goal=1000)
"""Ledger transactions that the whole flow posts a second."""

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
    generator: str | None = None
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


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """The whole flow: medians over the rounds, but the highest lag of any, and all losses of all together."""

    payments_per_second: float
    ledger_per_second: float
    goal_ledger_per_second: float
    short_of_goal: float
    lag_p50_events: float
    lag_max_events: float
    lag_p50_ms: float
    lag_max_ms: float
    drain_ms: float
    payments: int
    losses: int
    rounds: tuple[FlowRound, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as `--json` writes it; what belongs to rows that were not chosen is left out or null."""

    conditions: Conditions
    ratios: tuple[Ratio, ...]
    latency: Latency | None
    flow: Flow | None
    figures: tuple[Figure, ...]


Measurements = Mapping[str, Sequence[Measured | Missing]]


def made(conditions: Conditions, measurements: Measurements) -> Report:
    """The report on what was measured; each row has as many rounds as every other."""
    figures = {name: figure(name, rounds) for name, rounds in measurements.items()}
    return Report(
        conditions=conditions,
        ratios=tuple(
            ratio(measurements[work], measurements[against], figures[work], figures[against], target)
            for work, against, target in RATIOS
            if work in measurements and against in measurements
        ),
        latency=_latency(conditions, measurements[PACED], figures[PACED]) if PACED in measurements else None,
        flow=_flow(measurements[FLOW], figures[FLOW]) if FLOW in measurements else None,
        figures=tuple(figures.values()),
    )


def _latency(conditions: Conditions, rounds: Sequence[Measured | Missing], paced: Figure) -> Latency:
    asked = _median_of([one.asked_per_second for one in rounds if isinstance(one, Measured)])
    assert asked is not None, "a paced row knows its rate"
    assert paced.per_second is not None, "the paced run has figures or the bench fails"
    assert paced.p50_ms is not None
    assert paced.p99_ms is not None
    return Latency(
        asked_per_second=asked,
        per_second=paced.per_second,
        p50_ms=paced.p50_ms,
        p99_ms=paced.p99_ms,
        goal_p99_ms=PACED_P99_MS.goal,
        short_of_goal=PACED_P99_MS.short_of_goal(paced.p99_ms),
        fdatasync_p50_ms=conditions.fdatasync_p50_ms,
        fdatasync_p99_ms=conditions.fdatasync_p99_ms,
    )


def _flow(measured: Sequence[Measured | Missing], payments: Figure) -> Flow:
    rounds = tuple(one.flow for one in measured if isinstance(one, Measured) and one.flow is not None)
    assert payments.per_second is not None, "the whole flow has figures or the bench fails"
    posted = median(one.ledger_per_second for one in rounds)
    return Flow(
        payments_per_second=payments.per_second,
        ledger_per_second=posted,
        goal_ledger_per_second=LEDGER_PER_SECOND.goal,
        short_of_goal=LEDGER_PER_SECOND.short_of_goal(posted),
        lag_p50_events=median(one.lag_p50_events for one in rounds),
        lag_max_events=max(one.lag_max_events for one in rounds),
        lag_p50_ms=median(one.lag_p50_ms for one in rounds),
        lag_max_ms=max(one.lag_max_ms for one in rounds),
        drain_ms=median(one.drain_ms for one in rounds),
        payments=sum(one.losses.payments for one in rounds),
        losses=sum(one.losses.total for one in rounds),
        rounds=rounds,
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
        generator=measured[0].generator,
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
