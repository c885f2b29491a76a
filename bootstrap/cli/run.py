"""`guilder run`: one process in the foreground, as `guilder up`, systemd or a container runs it."""

import os
import sys
from enum import StrEnum
from importlib import import_module
from typing import Annotated
from urllib.parse import urlsplit

import structlog
import typer

from bootstrap.cli.connection import connected_settings
from bootstrap.cli.database import database_at
from bootstrap.cli.refusals import refusal_in
from bootstrap.local_stack.roster import PSP_SIMULATOR, ROSTER, find
from bootstrap.processes.connections import dsn_of
from bootstrap.settings import Settings
from bootstrap.telemetry.logs import configure_logging, secrets_of

app = typer.Typer(add_completion=False)

ProcessName = StrEnum("ProcessName", {process.name: process.name for process in ROSTER})  # type: ignore[misc]


@app.command()
def run(name: Annotated[ProcessName, typer.Argument(metavar="PROCESS", help="Which one.")]) -> None:
    """Run one of Guilder's processes until SIGTERM or Ctrl-C."""
    process = find(name.value)
    if process is PSP_SIMULATOR:
        become_simulator(Settings())
    import uvloop

    settings = connected_settings()
    configure_logging(process.name, secrets=secrets_of(settings))
    try:
        with database_at(dsn_of(settings)):
            uvloop.run(import_module(process.module).run(settings))
    except Exception as error:
        log = structlog.get_logger(process.name)
        sentence = refusal_in(error)
        if sentence is not None:
            log.error("failed", reason=sentence)  # noqa: TRY400 - it needs no traceback
            raise
        # The interpreter's own traceback would be no line of JSON, and nothing would be taken out of it.
        log.exception("failed")
        raise typer.Exit(1) from None


def become_simulator(settings: Settings) -> None:
    """Replace this process by the simulator, which is a program of its own and takes its settings as arguments."""
    url = urlsplit(settings.psp_simulator.url)
    arguments = ["--host", url.hostname or "127.0.0.1", "--port", str(url.port or PSP_SIMULATOR.default_port)]
    arguments += ["--database", str(settings.home / "psp_simulator.db")]
    # Told at each start: its database remembers the scale it ran with before.
    arguments += ["--clock-scale", str(1 / settings.delay_scale)]
    settings.home.mkdir(parents=True, exist_ok=True)
    os.execv(sys.executable, [sys.executable, "-m", PSP_SIMULATOR.module, *arguments])  # noqa: S606 - no shell wanted
