"""`guilder version`."""

import tomllib
from importlib import metadata
from pathlib import Path

import typer

app = typer.Typer(add_completion=False)


@app.command()
def version() -> None:
    """Print Guilder's version."""
    typer.echo(f"guilder {find_version()}")


def find_version() -> str:
    """The installed package's version, or in a checkout the one it would be built as."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    if project.exists():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("guilder")
