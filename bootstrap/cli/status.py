"""`guilder status`: what runs, where, how it does, and what is wrong."""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import msgspec
import typer
from rich.console import Console
from rich.live import Live

from bootstrap.cli.complaints import Progress, abandoned, complaints, of
from bootstrap.cli.database import ANSWERS_WITHIN_S
from bootstrap.cli.demo_merchant import load_demo
from bootstrap.cli.process_health import ProcessHealth, health_of
from bootstrap.cli.status_view import StatusView
from bootstrap.local_stack import state
from bootstrap.local_stack.state import InstallationState
from bootstrap.settings import Settings
from processors.backlog import FOLLOWERS, STEP_STATES, UNREADABLE, Backlog, Follower, backlog
from schemas.timestamps import rfc3339

app = typer.Typer(add_completion=False)
REFRESH_S: Final = 1.0
NOT_RUNNING: Final = 3
"""Exit code when no supervisor runs, as of `systemctl status` and the LSB.

While one runs the exit code is 0, whatever is wrong: a case that waits for a person is no failure of the asking.
"""


@app.command()
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every second, until Ctrl-C.")] = False,
) -> None:
    """Show every process with its health, how far each is behind the log, what is wrong, and how to reach everything.

    Exit codes: 0 while an installation runs, whatever `problems` of --json say; 3 where none runs or its supervisor was
    killed; 1 where its home cannot be read; 2 for a wrong option or setting.
    """
    if as_json and watch:
        raise typer.BadParameter("--json looks once; ask again for another look", param_hint="--watch")
    home = Settings().home.resolve()
    current = state.load(home)
    look = Look(home)
    if as_json:
        typer.echo(json.dumps(look.taken(current), indent=2))
    elif not current.supervisor_is_alive:
        problems = look.taken(current)["problems"] or ["nothing runs here; `guilder up` starts it"]
        Console(highlight=False).print(*problems, sep="\n", soft_wrap=True)
    elif watch:
        look.watch(Console(highlight=False))
    else:
        Console(highlight=False).print(StatusView(look.taken(current)), soft_wrap=True)
    if not current.supervisor_is_alive:
        raise typer.Exit(NOT_RUNNING)


class Look:
    """Looks at an installation, and remembers between one look and the next what moved."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._progress = Progress()
        self._last: Backlog | None = None
        self.rates: dict[str, float] | None = None

    def taken(self, current: InstallationState) -> dict[str, Any]:
        """The answer of `status --json`: how things stand now."""
        found = describe(self._home, current)
        seen = asyncio.run(asked(current.postgres_dsn)) if current.supervisor_is_alive else None
        if seen is not None:
            self._progress.look(seen)
        problems = self._problems(current, found["processes"], seen)
        self.rates, self._last = _rates(self._last, seen), seen
        return {**found, "backlog": None if seen is None else _plain(seen), "problems": problems}

    def _problems(
        self, current: InstallationState, processes: Sequence[Mapping[str, Any]], seen: Backlog | None
    ) -> list[str]:
        """What is wrong, in words; nothing is wrong with an installation that was ended, or never begun."""
        if current.supervisor_is_alive:
            return complaints(processes, seen, self._progress)
        if current.supervisor is None:
            return []
        return [abandoned([process.name for process in current.processes if process.identity.is_alive])]

    def watch(self, console: Console) -> None:
        """Show it anew every second until Ctrl-C, or until nothing runs any more."""
        with contextlib.suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
            while (current := state.load(self._home)).supervisor_is_alive:
                found = self.taken(current)
                live.update(StatusView(found, self.rates), refresh=True)
                time.sleep(REFRESH_S)


async def asked(dsn: str | None) -> Backlog | None:
    """How things stand behind the log; None where PostgreSQL does not answer, or has no tables yet."""
    if dsn is None:
        return None
    try:
        connection: Any = await asyncpg.connect(
            dsn,
            timeout=ANSWERS_WITHIN_S,
            command_timeout=ANSWERS_WITHIN_S,
            server_settings={"role": "guilder_app", "application_name": "guilder-status"},
        )
        try:
            return await backlog(connection)
        finally:
            await connection.close(timeout=ANSWERS_WITHIN_S)
    except UNREADABLE:
        return None


def _plain(seen: Backlog) -> dict[str, Any]:
    """What `--json` tells of it; seconds are those that the first waiting event has waited."""
    shards = [
        {**msgspec.to_builtins(each), "events": each.events, "seconds": each.seconds(seen.at)} for each in seen.behind
    ]
    return {
        "at": rfc3339(seen.at),
        "followers": {
            follower: {
                "events": sum(shard["events"] for shard in shards if shard["follower"] == follower),
                "seconds": max((shard["seconds"] for shard in shards if shard["follower"] == follower), default=0.0),
                "shards": [shard for shard in shards if shard["follower"] == follower],
            }
            for follower in FOLLOWERS
        },
        "halted": msgspec.to_builtins(seen.halted),
        "steps": {name: sum(each.steps for each in seen.steps if each.state == name) for name in STEP_STATES},
        "open_cases": {
            "count": len(seen.cases),
            "oldest_seconds": max((max(0, seen.at - opened_at) / 1000 for opened_at in seen.cases), default=None),
        },
    }


def _rates(before: Backlog | None, now: Backlog | None) -> dict[str, float] | None:
    """Events a second since the last look, by follower, and of the log itself."""
    if before is None or now is None or now.at <= before.at:
        return None
    seconds = (now.at - before.at) / 1000

    def moved(follower: Follower, what: str) -> float:
        def reached(seen: Backlog) -> int:
            return sum(each.head if what == "head" else each.position for each in of(seen, follower))

        return (reached(now) - reached(before)) / seconds

    return {
        **{follower: moved(follower, "position") for follower in FOLLOWERS},
        "log": moved("relay", "head"),
    }


def describe(home: Path, current: InstallationState) -> dict[str, Any]:
    """What runs where; each health is asked for now."""
    demo = load_demo(home)
    with ThreadPoolExecutor(8) as pool:
        health: list[ProcessHealth] = list(
            pool.map(lambda process: health_of(home, current, process), current.processes)
        )
    return {
        "api": current.api,
        "postgres_dsn": current.postgres_dsn,
        "kafka_bootstrap": current.kafka_bootstrap,
        "psp_simulator": current.psp_simulator,
        "demo": None if demo is None else {"merchant_id": demo.merchant_id, "api_key": demo.api_key},
        "processes": [
            {
                "name": process.name,
                "pid": process.pid,
                "healthy": found.healthy,
                "health_url": process.health_url,
                "reason": found.reason,
                "alarms": found.alarms,
            }
            for process, found in zip(current.processes, health, strict=True)
        ],
    }
