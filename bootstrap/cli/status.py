"""`guilder status`: what runs, where, and how it does."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from bootstrap.cli.demo_merchant import load_demo
from bootstrap.local_stack import kafka, state
from bootstrap.local_stack.guilder_service import is_healthy
from bootstrap.local_stack.servers import postgres_server
from bootstrap.local_stack.state import InstallationState, RecordedProcess
from bootstrap.settings import Settings

app = typer.Typer(add_completion=False)
NOT_RUNNING: Final = 3
"""Exit code when no supervisor runs, as of `systemctl status` and the LSB."""


@app.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show every process with its pid and health, every address, and the demo merchant's key."""
    home = Settings().home.resolve()
    current = state.load(home)
    found = describe(home, current)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        print_status(Console(highlight=False), found, running=current.supervisor_is_alive)
    if not current.supervisor_is_alive:
        raise typer.Exit(NOT_RUNNING)


def describe(home: Path, current: InstallationState) -> dict[str, Any]:
    """The answer of `status --json`; each health is asked for now."""
    demo = load_demo(home)
    with ThreadPoolExecutor(8) as pool:
        health = list(pool.map(lambda process: is_well(home, current, process), current.processes))
    return {
        "api": current.api,
        "postgres_dsn": current.postgres_dsn,
        "kafka_bootstrap": current.kafka_bootstrap,
        "psp_simulator": current.psp_simulator,
        "demo": None if demo is None else {"merchant_id": demo.merchant_id, "api_key": demo.api_key},
        "processes": [
            {"name": process.name, "pid": process.pid, "healthy": healthy, "health_url": process.health_url}
            for process, healthy in zip(current.processes, health, strict=True)
        ],
    }


def is_well(home: Path, current: InstallationState, process: RecordedProcess) -> bool:
    """Tell whether a process lives and does its work."""
    if not process.identity.is_alive:
        return False
    if process.health_url is not None:
        url = urlsplit(process.health_url)
        return is_healthy(url.port or 0, url.path)
    port = current.ports[process.name]
    if process.name == "postgres":
        return postgres_server(home, port).is_ready()
    return kafka.answers("127.0.0.1", port)


def print_status(console: Console, found: dict[str, Any], *, running: bool) -> None:
    """The same for people."""
    if not running:
        console.print("nothing runs here; `guilder up` starts it")
        return
    table = Table("process", "pid", "health", "health URL", box=None)
    for process in found["processes"]:
        health = "[green]healthy[/green]" if process["healthy"] else "[red]not healthy[/red]"
        table.add_row(process["name"], str(process["pid"]), health, process["health_url"] or "")
    console.print(table)
    for name in ("api", "postgres_dsn", "kafka_bootstrap", "psp_simulator"):
        console.print(f"{name:<16} {found[name]}", soft_wrap=True)
    if found["demo"] is not None:
        console.print(
            f"{'demo merchant':<16} {found['demo']['merchant_id']}  {found['demo']['api_key']}", soft_wrap=True
        )
