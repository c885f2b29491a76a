"""`guilder bench`: how much of what this machine can do is left when a request has become a durable payment."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from bootstrap.cli.bench_hostile import hostile
from bootstrap.settings import Settings

app = typer.Typer(add_completion=False)
app.command()(hostile)


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    *,
    seconds: Annotated[float, typer.Option(min=0.2, max=600, help="For each row in each round.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each row takes its turn.")] = 3,
    lifecycles: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Payments in the ledger that is read and rebuilt.")
    ] = 3000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="A folder on the disk to measure; the installation's home unless told.")
    ] = None,
) -> None:
    """Measure creates, authorizations and balances beside a raw echo and pgbench, on servers of its own."""
    if context.invoked_subcommand is not None:
        return
    from bootstrap.bench import BenchError, report
    from bootstrap.bench.bench import Plan, run_bench

    console = Console(highlight=False)
    place = (folder or Settings().home).resolve()
    try:
        with Console(stderr=True).status("") as status:
            made = run_bench(place, Plan(seconds=seconds, rounds=rounds, lifecycles=lifecycles), status.update)
    except BenchError as error:
        Console(stderr=True, highlight=False).print(f"[red]✗[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    report.show(console, made)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
