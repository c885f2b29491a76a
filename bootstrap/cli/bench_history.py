"""`guilder bench history`: whether what costs little today costs little with a million events behind it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bootstrap.cli.bench_report import Folder, JsonFile, keep, measured, name_drawn


def history(
    *,
    events: Annotated[
        str, typer.Option(metavar="N,…", help="How many events the log is to hold, ascending.")
    ] = "10000,100000,1000000",
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="For each figure at each length.")] = 3,
    json_file: JsonFile = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw the growth there, as PNG and SVG (extra `bench`).")
    ] = None,
    folder: Folder = None,
) -> None:
    """Measure append, load, balance, list and rebuild with ever more events in the log."""
    from bootstrap.bench import history_report
    from bootstrap.bench.history import HistoryPlan, run_history

    parts = events.split(",")
    sizes = tuple(int(part) for part in parts if part.strip().isdigit())
    if len(sizes) < len(parts) or sorted(set(sizes)) != list(sizes):
        raise typer.BadParameter(
            "is not numbers of events in ascending order, as in 10000,100000", param_hint="--events"
        )
    console = Console(highlight=False)
    plan = HistoryPlan(sizes=sizes, seconds=seconds)
    made = measured(folder, lambda place, progress: run_history(place, plan, progress))
    history_report.show(console, made)
    keep(made, json_file)
    if plot is not None:
        from bootstrap.bench.plot import draw_history

        name_drawn(console, draw_history(made, plot))
