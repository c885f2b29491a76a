"""`guilder down`: end everything, also what a killed supervisor has left behind."""

import typer

from bootstrap.local_stack import installation
from bootstrap.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def down() -> None:
    """End all processes of this installation; its data stays."""
    ended = installation.end(Settings().home.resolve())
    typer.echo(f"ended: {', '.join(ended)}" if ended else "nothing was running")
