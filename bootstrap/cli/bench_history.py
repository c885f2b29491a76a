"""`guilder bench history`: whether what costs little today costs little with a million events behind it."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from bootstrap.settings import Settings


def history(
    *,
    events: Annotated[
        str, typer.Option(metavar="N,…", help="How many events the log is to hold, ascending.")
    ] = "10000,100000,1000000",
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="For each figure at each length.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw the growth there, as PNG and SVG (extra `bench`).")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="A folder on the disk to measure; the installation's home unless told.")
    ] = None,
) -> None:
    """Measure append, load, balance, list and rebuild with ever more events in the log."""
    from bootstrap.bench import BenchError, history_report
    from bootstrap.bench.history import HistoryPlan, run_history

    parts = events.split(",")
    sizes = tuple(int(part) for part in parts if part.strip().isdigit())
    if len(sizes) < len(parts) or sorted(set(sizes)) != list(sizes):
        raise typer.BadParameter(
            "is not numbers of events in ascending order, as in 10000,100000", param_hint="--events"
        )
    console = Console(highlight=False)
    plan = HistoryPlan(sizes=sizes, seconds=seconds)
    try:
        with Console(stderr=True).status("") as status:
            made = run_history((folder or Settings().home).resolve(), plan, status.update)
    except BenchError as error:
        Console(stderr=True, highlight=False).print(f"[red]✗[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    history_report.show(console, made)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    if plot is not None:
        from bootstrap.bench.plot import draw_history

        for path in draw_history(made, plot):
            console.print(f"drawn: {path}")
