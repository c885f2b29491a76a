"""`guilder bench hostile`: what ordinary clients feel while others misbehave."""

from typing import Annotated

import typer
from rich.console import Console

from bootstrap.cli.bench_report import Folder, JsonFile, keep, measured


def hostile(
    *,
    seconds: Annotated[float, typer.Option(min=0.2, max=120, help="For each phase of each scenario.")] = 3,
    rate: Annotated[float, typer.Option(min=1, max=10_000, help="Ordinary creates a second.")] = 200,
    share: Annotated[
        float, typer.Option(min=0.001, max=2, help="How many connections misbehave, as a share of the usual.")
    ] = 1.0,
    only: Annotated[str | None, typer.Option(metavar="SCENARIO,…", help="Some of them. All unless told.")] = None,
    json_file: JsonFile = None,
    folder: Folder = None,
) -> None:
    """Measure other clients' latency and the API's memory before, during and after each way of misbehaving."""
    from bootstrap.bench.hostile import report
    from bootstrap.bench.hostile.hostile import SCENARIOS, Plan, run_hostile

    scenarios = tuple(SCENARIOS) if only is None else tuple(name.strip() for name in only.split(","))
    if unknown := [name for name in scenarios if name not in SCENARIOS]:
        raise typer.BadParameter(f"there is no {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
    plan = Plan(seconds=seconds, rate=rate, share=share, scenarios=scenarios)
    made = measured(folder, lambda place, progress: run_hostile(place, plan, progress))
    report.show(Console(highlight=False), made)
    keep(made, json_file)
