"""`guilder migrate`: bring the database to the newest version."""

from typing import Annotated

import typer

from bootstrap.cli.connection import connected_settings
from bootstrap.cli.database import run_at

app = typer.Typer(add_completion=False)


@app.command()
def migrate(
    *,
    shards: Annotated[
        int | None, typer.Option(help="Number of shards, fixed for good the first time.", min=1, max=4096)
    ] = None,
) -> None:
    """Apply all migrations that the database does not have yet."""
    from migrations import migrate as apply_migrations

    settings = connected_settings()
    dsn = settings.postgres.dsn
    assert dsn is not None
    number = shards if shards is not None else settings.shards
    run_at(dsn, lambda: apply_migrations(dsn, shards=number))
    typer.echo(f"the database is up to date, with {number} shards")
