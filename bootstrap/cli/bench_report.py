"""What the benches have in common: the disk they measure, how a measurement is run, and what becomes of its report."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.console import Console

from bootstrap.settings import Settings

Report = TypeVar("Report", bound=msgspec.Struct)
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")]
Folder = Annotated[
    Path | None, typer.Option(help="A folder on the disk to measure; the installation's home unless told.")
]


def measured(folder: Path | None, measure: Callable[[Path, Callable[[str], None]], Report]) -> Report:
    """The report of `measure`, which is given a place on the disk and somebody to tell its progress.

    Raises:
        typer.Exit: it could not measure, and has said why; code 1.
    """
    # All of the house stands behind it, and every other command would wait for that to load.
    from bootstrap.bench import BenchError

    try:
        with Console(stderr=True).status("") as status:
            return measure((folder or Settings().home).resolve(), status.update)
    except BenchError as error:
        Console(stderr=True, highlight=False).print(f"[red]✗[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from None


def keep(report: msgspec.Struct, json_file: Path | None) -> None:
    """Write the whole report to a file, where one was named."""
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def name_drawn(console: Console, paths: Iterable[Path]) -> None:
    """Say which pictures were drawn."""
    for path in paths:
        console.print(f"drawn: {path}")
