"""`guilder logs`: what the processes have said."""

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from bootstrap.local_stack import LocalStackError
from bootstrap.log_files import older_of
from bootstrap.settings import Settings
from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id

app = typer.Typer(add_completion=False)
POLL_S: Final = 0.3
LAST_BYTES: Final = 64 * 1024
_OTHER_IDS: Final = re.compile(r"req_\w+|[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A request's, a trace's, and a UUID as correlation ids are written."""


class NoLogError(LocalStackError):
    """There is no log by that name, or no line in it that names what was asked for."""


@app.command()
def logs(
    name: Annotated[
        str | None, typer.Argument(metavar="PROCESS", help="A process, as `guilder status` calls it; without it, all.")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.", min=0)] = 50,
    about: Annotated[
        str | None, typer.Option(metavar="ID", help="Every line that names this payment, merchant or trace, in order.")
    ] = None,
) -> None:
    """Print the last lines of one process's log, or of all; or all lines that name somebody."""
    if follow and about is not None:
        raise typer.BadParameter(
            "what is yet to be logged cannot be sorted; --about goes without it", param_hint="--follow"
        )
    paths = find_logs(Settings().home / "logs", name)
    if about is not None:
        found = lines_about(paths, as_lines_spell(about))
        if not found:
            raise NoLogError(f"no line of the logs that are kept names {about}")
        for path, line in found:
            echo(path, line, max(len(each.stem) for each in paths), prefixed=name is None)
        return
    width = max(len(path.stem) for path in paths)
    files = {path: path.open("rb") for path in paths}
    try:
        for path, file in files.items():
            for line in last_lines(file, lines):
                echo(path, line, width, prefixed=name is None)
        while follow:
            time.sleep(POLL_S)
            for path, file in files.items():
                if path.stat().st_size < file.tell():
                    file.seek(0)  # it was set aside, and begins anew
                for line in file.read().decode(errors="replace").splitlines():
                    echo(path, line, width, prefixed=name is None)
    except KeyboardInterrupt:
        pass
    finally:
        for file in files.values():
            file.close()


def find_logs(folder: Path, name: str | None) -> list[Path]:
    """The logs to print. Raises NoLogError, which names those that there are."""
    there = sorted(path for path in folder.glob("*.log") if not path.name.endswith(".1.log"))
    wanted = [path for path in there if name in (None, path.stem)]
    if not wanted:
        if not there:
            raise NoLogError("there are no logs, for nothing has run here: `guilder up` starts it")
        raise NoLogError(f"there is no log of {name}; there are: {', '.join(path.stem for path in there)}")
    return wanted


def as_lines_spell(about: str) -> str:
    """An id as log lines write it, in whichever case it was given; what no log line could name is refused.

    Lines name payments and the like by their public ids, and traces.
    """
    prefix, _, _ = about.partition("_")
    if prefix in set(Prefix):
        try:
            return public_id(Prefix(prefix), parse_public_id(Prefix(prefix), about))
        except MalformedId as error:
            raise typer.BadParameter(f"{about}: {error}", param_hint="--about") from None
    if not _OTHER_IDS.fullmatch(about):
        kinds = ", ".join(f"{prefix}_…" for prefix in Prefix)
        raise typer.BadParameter(
            f"{about} is no id: it is one of {kinds}, a request's req_…, a UUID or a trace's 32 hex digits",
            param_hint="--about",
        )
    return about if prefix == "req" else about.lower()


def lines_about(paths: Iterable[Path], about: str) -> list[tuple[Path, str]]:
    """The lines of all logs that hold `about`, by the time that they tell; those that tell none come first.

    Of each process the older log is looked through too, as far as one is kept.
    """
    found = []
    for path in paths:
        for kept in (older_of(path), path):
            if kept.exists():
                with kept.open(encoding="utf-8", errors="replace") as file:
                    found += [(_time_of(line), path, line.rstrip("\n")) for line in file if about in line]
    return [(path, line) for _, path, line in sorted(found, key=lambda each: each[0])]


def _time_of(line: str) -> str:
    try:
        return str(json.loads(line)["timestamp"])
    except (ValueError, KeyError, TypeError):
        return ""


def last_lines(file: BinaryIO, count: int) -> list[str]:
    """The last `count` lines, at most 64 KiB of them; leaves the file at its end."""
    size = file.seek(0, 2)
    file.seek(max(0, size - LAST_BYTES))
    lines = file.read().decode(errors="replace").splitlines()
    return lines[len(lines) - min(count, len(lines)) :]


def echo(path: Path, line: str, width: int, *, prefixed: bool) -> None:
    """Print one line, with the process's name before it where several are printed."""
    typer.echo(f"{path.stem:<{width}} | {line}" if prefixed else line)
