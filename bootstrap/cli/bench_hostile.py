"""`guilder bench hostile`: what ordinary clients feel while others misbehave."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from bootstrap.settings import Settings


def hostile(
    *,
    seconds: Annotated[float, typer.Option(min=0.2, max=120, help="For each phase of each scenario.")] = 3,
    rate: Annotated[float, typer.Option(min=1, max=10_000, help="Ordinary creates a second.")] = 200,
    share: Annotated[
        float, typer.Option(min=0.001, max=2, help="How many connections misbehave, as a share of the usual.")
    ] = 1.0,
    only: Annotated[str | None, typer.Option(metavar="SCENARIO,…", help="Some of them. All unless told.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="A folder on the disk to measure; the installation's home unless told.")
    ] = None,
) -> None:
    """Measure other clients' latency and the API's memory before, during and after each way of misbehaving."""
    from bootstrap.bench import BenchError
    from bootstrap.bench.hostile import report
    from bootstrap.bench.hostile.hostile import SCENARIOS, Plan, run_hostile

    scenarios = tuple(SCENARIOS) if only is None else tuple(name.strip() for name in only.split(","))
    if unknown := [name for name in scenarios if name not in SCENARIOS]:
        raise typer.BadParameter(f"there is no {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
    place = (folder or Settings().home).resolve()
    try:
        with Console(stderr=True).status("") as status:
            plan = Plan(seconds=seconds, rate=rate, share=share, scenarios=scenarios)
            made = run_hostile(place, plan, status.update)
    except BenchError as error:
        Console(stderr=True, highlight=False).print(f"[red]✗[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    report.show(Console(highlight=False), made)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
