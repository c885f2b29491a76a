"""The report as a person reads it: ratios first, then latency and the whole flow, then the figures behind them."""

from rich.console import Console
from rich.table import Table

from bootstrap.bench.report import BUSY_LOAD, Flow, Latency, Report


def show(console: Console, report: Report) -> None:
    """Print the ratios, the latency, and the figures behind them."""
    seen = report.conditions
    console.print(_ratio_table(report))
    if report.latency is not None:
        _show_latency(console, report.latency)
    if report.flow is not None:
        _show_flow(console, report.flow)
    console.print(_figure_table(report))
    console.print(
        f"{seen.cores} cores, {seen.memory_gib} GiB, load {seen.load_1m:.2f} before it began; {seen.system}; "
        f"Python {seen.python}; uvicorn {seen.uvicorn}; PostgreSQL {seen.postgres}, fsync {seen.postgres_fsync}; "
        f"{seen.connections} connections, generator: {seen.generator}; {seen.rounds} rounds of {seen.seconds:g} s, interleaved; "
        f"a ledger of {seen.lifecycles} paid lifecycles",
        soft_wrap=True,
    )
    if seen.load_1m > seen.cores * BUSY_LOAD:
        console.print(
            f"[yellow]The machine was busy (load {seen.load_1m:.2f}): this is no verdict on the code.[/yellow]"
        )


def _show_latency(console: Console, latency: Latency) -> None:
    console.print(
        f"create paced at {latency.asked_per_second:,.0f}/s, {latency.per_second:,.0f}/s answered: p50 {latency.p50_ms:.2f} ms, p99 {latency.p99_ms:.2f} ms "
        f"(goal p99 ≤ {latency.goal_p99_ms:g} ms: {latency.p99_ms / latency.goal_p99_ms:.2f} × that); one fdatasync on the same disk: "
        f"p50 {latency.fdatasync_p50_ms:.2f} ms, p99 {latency.fdatasync_p99_ms:.2f} ms",
        soft_wrap=True,
    )


def _show_flow(console: Console, flow: Flow) -> None:
    losses = f"[red]{flow.losses} LOST OR DOUBLED[/red]" if flow.losses else "none lost or doubled"
    goal = "reached" if flow.short_of_goal == 0 else f"{flow.short_of_goal:.0%} short"
    console.print(
        f"whole flow: {flow.payments_per_second:,.0f} payments/s, {flow.ledger_per_second:,.0f} ledger transactions/s "
        f"(goal {flow.goal_ledger_per_second:,.0f}: {goal}); the ledger lags by {flow.lag_p50_events:,.0f} events, "
        f"{flow.lag_p50_ms:,.0f} ms at the median, at most {flow.lag_max_events:,.0f} and {flow.lag_max_ms:,.0f} ms, "
        f"and drains in {flow.drain_ms:,.0f} ms; of {flow.payments:,} payments {losses}",
        soft_wrap=True,
    )


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
        remark = one.missing or ("generator was busy" if one.generator_was_busy else one.generator or "")
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
