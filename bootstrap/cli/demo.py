"""`guilder demo`: some hundred realistic payments against the running installation, audited to the last minor unit."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from bootstrap.cli.connection import NotRunningError, connected_settings
from bootstrap.cli.database import run_at
from bootstrap.local_stack import state
from bootstrap.processes.connections import shell_store_options

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    payments: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed plans the same payments.")] = 1,
) -> None:
    """Pay, capture, refund and lose answers at the PSP, then compare every figure with the PSP's own log."""
    import httpx

    from bootstrap.demo.run import Place, run_demo

    settings = connected_settings()
    running = state.load(settings.home)
    if running.api is None:
        raise NotRunningError("no API runs here: start it by `guilder up`")
    place = Place(api=running.api, psp=settings.psp_simulator.url, store=shell_store_options(settings))
    console = Console(highlight=False)
    try:
        all_hold = run_at(place.store.dsn, lambda: run_demo(console, place, payments=payments, seed=seed))
    except httpx.TransportError as error:
        raise NotRunningError(
            f"the API or the PSP simulator cannot be reached ({error}): `guilder status` shows what runs"
        ) from error
    if not all_hold:
        console.print("[red]Some checks do not hold.[/red]")
        sys.exit(1)
    console.print("[green]All checks hold.[/green] Where to look next:")
    for where, what in (
        (f"{running.api}/docs", "the API, every route with examples"),
        ("./guilder ledger verify", "the ledger against the log"),
        ("./guilder ledger rebuild", "the ledger anew from the log, compared and switched over"),
        ("./guilder dead-letters list", "what waits for a person"),
    ):
        console.print(f"  {where:<28} {what}", soft_wrap=True)
