"""`guilder check`."""

from typing import Annotated

import typer
from rich.console import Console

from bootstrap.cli.gate import gate_steps, pass_gate

app = typer.Typer(add_completion=False)


@app.command(context_settings={"ignore_unknown_options": True})
def run_gate(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[PYTEST ARGUMENTS]...", help="Given to pytest.")
    ] = None,
) -> None:
    """The gate without the tests that need the whole stack or more than ten seconds."""
    if not pass_gate(gate_steps(arguments or [], slow=False), Console(highlight=False)):
        raise typer.Exit(1)
