"""`guilder bench`: how much of what this machine can do is left when a request has become a durable payment."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from bootstrap.cli.bench_history import history
from bootstrap.cli.bench_hostile import hostile
from bootstrap.cli.bench_report import Folder, JsonFile, keep, measured, name_drawn

ROWS: Final = (
    "echo, bare, create, paced, authorize, balance, single, pgbench, rebuild, live, flow, observed, unobserved"
)

app = typer.Typer(add_completion=False)
app.command()(history)
app.command()(hostile)


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    *,
    seconds: Annotated[float, typer.Option(min=0.2, max=600, help="For each row in each round.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each row takes its turn.")] = 3,
    lifecycles: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Payments in the ledger that is read, rebuilt and posted live.")
    ] = 3000,
    only: Annotated[
        str | None, typer.Option("--only", "--rows", metavar="ROW,…", help=f"Some of: {ROWS}. All unless told.")
    ] = None,
    json_file: JsonFile = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw the ratios there, as PNG and SVG (extra `bench`).")
    ] = None,
    folder: Folder = None,
) -> None:
    """Measure creates, authorizations, balances, the ledger and whole payments, on servers of its own.

    Each is set beside a raw echo, pgbench or a plain create.
    """
    if context.invoked_subcommand is not None:
        return
    from bootstrap.bench import report_table
    from bootstrap.bench.bench import run_bench
    from bootstrap.bench.plan import NAMES, Plan

    console = Console(highlight=False)
    rows = NAMES if only is None else tuple(name.strip() for name in only.split(","))
    plan = Plan(seconds=seconds, rounds=rounds, lifecycles=lifecycles, rows=rows)
    made = measured(folder, lambda place, progress: run_bench(place, plan, progress))
    report_table.show(console, made)
    keep(made, json_file)
    if plot is not None:
        from bootstrap.bench.plot import draw_ratios

        name_drawn(console, draw_ratios(made, plot))
