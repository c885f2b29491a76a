"""`guilder bench`: how much of what this machine can do is left when a request has become a durable payment."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from bootstrap.cli.bench_history import history
from bootstrap.cli.bench_hostile import hostile
from bootstrap.settings import Settings

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
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw the ratios there, as PNG and SVG (extra `bench`).")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="A folder on the disk to measure; the installation's home unless told.")
    ] = None,
) -> None:
    """Measure creates, authorizations, balances, the ledger and whole payments, on servers of its own.

    Each is set beside a raw echo, pgbench or a plain create.
    """
    if context.invoked_subcommand is not None:
        return
    from bootstrap.bench import BenchError, report_table
    from bootstrap.bench.bench import run_bench
    from bootstrap.bench.plan import NAMES, Plan

    console = Console(highlight=False)
    rows = NAMES if only is None else tuple(name.strip() for name in only.split(","))
    plan = Plan(seconds=seconds, rounds=rounds, lifecycles=lifecycles, rows=rows)
    try:
        with Console(stderr=True).status("") as status:
            made = run_bench((folder or Settings().home).resolve(), plan, status.update)
    except BenchError as error:
        Console(stderr=True, highlight=False).print(f"[red]✗[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    report_table.show(console, made)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    if plot is not None:
        from bootstrap.bench.plot import draw_ratios

        for path in draw_ratios(made, plot):
            console.print(f"drawn: {path}")
