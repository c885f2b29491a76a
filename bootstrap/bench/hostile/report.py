"""What was measured of each scenario, as a table and as JSON."""

from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bootstrap.bench.conditions import Conditions
from bootstrap.bench.hostile.attack import Seen

_MIB: Final = 2**20


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """What ordinary clients got, and the most memory (resident bytes) that the API had meanwhile.

    `refused` counts their answers that were no 2xx; `failed` says why they could not go on, where they could not.
    """

    per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    memory_bytes: int
    refused: dict[int, int] = {}
    failed: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario: before, while and after so many connections misbehaved, and what their author saw."""

    scenario: str
    connections: int
    before: Phase
    during: Phase
    after: Phase
    seen: Seen


class HostileReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as `--json` writes it; ordinary clients' creates were paced at `rate` a second."""

    conditions: Conditions
    rate: float
    outcomes: tuple[Outcome, ...]


def show(console: Console, report: HostileReport) -> None:
    """Print one line for each scenario."""
    table = Table(title=f"Creates of others, paced at {report.rate:g}/s, while some misbehave", title_justify="left")
    for heading in ("scenario", "connections", "answered/s", "p50 ms", "p99 ms", "API, MiB", "the others saw"):
        table.add_column(heading, justify="left" if heading in {"scenario", "the others saw"} else "right")
    for one in report.outcomes:
        phases = (one.before, one.during, one.after)
        table.add_row(
            one.scenario,
            str(one.connections),
            "\n".join(f"{phase.per_second:,.0f}" for phase in phases),
            "\n".join(f"{phase.p50_ms:.1f}" for phase in phases),
            "\n".join(f"{phase.p99_ms:.1f}" for phase in phases),
            "\n".join(f"{phase.memory_bytes / _MIB:.0f}" for phase in phases),
            "\n".join(_remark(phase) for phase in phases),
        )
    console.print(table)
    console.print("Each cell: before, during, after. What the misbehaving ones saw:")
    for one in report.outcomes:
        statuses = (
            ", ".join(f"{count} × {status}" for status, count in sorted(one.seen.statuses.items())) or "no answer"
        )
        console.print(
            f"  {one.scenario}: {statuses}; {one.seen.connected} connections made, {one.seen.ended} ended for them",
            soft_wrap=True,
        )


def _remark(phase: Phase) -> str:
    if phase.failed is not None:
        return phase.failed.splitlines()[0]
    return ", ".join(f"{count} × {status}" for status, count in sorted(phase.refused.items())) or "2xx only"
