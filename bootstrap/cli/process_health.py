"""How one process of an installation does, and what it says itself of what is wrong: by its health, and in its log."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from bootstrap.cli.logs import last_lines
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.local_stack import kafka
from bootstrap.local_stack.guilder_service import HTTP_OK, answer_of
from bootstrap.local_stack.servers import postgres_server
from bootstrap.local_stack.state import InstallationState, RecordedProcess
from schemas.timestamps import parse_rfc3339

LOOKED_THROUGH: Final = 40
"""How many of a log's last lines."""
SAID_WITHIN_MS: Final = 60_000
"""What a process logged earlier need not be what ails it now; one that waits for another says so every other second."""
_COMPLAINING: Final = ("warning", "error", "critical")


class ProcessHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is what one that is not healthy logged last; `alarms`, by shard, what the relay found wrong with its copy."""

    healthy: bool
    reason: str | None = None
    alarms: dict[str, str] = {}


class _Details(msgspec.Struct, frozen=True):
    alarms: dict[str, str] = {}


class _Answer(msgspec.Struct, frozen=True):
    details: _Details = _Details()


def health_of(home: Path, current: InstallationState, process: RecordedProcess) -> ProcessHealth:
    """Whether a process lives and does its work, and what it says."""
    healthy, alarms = _is_well(home, current, process)
    if healthy or process.health_url is None:
        return ProcessHealth(healthy=healthy, alarms=alarms)
    log = home / "logs" / f"{process.name}.log"
    return ProcessHealth(healthy=False, reason=last_complaint(log, SYSTEM_CLOCK.now_ms()), alarms=alarms)


def _is_well(home: Path, current: InstallationState, process: RecordedProcess) -> tuple[bool, dict[str, str]]:
    if not process.identity.is_alive:
        return False, {}
    if process.health_url is not None:
        url = urlsplit(process.health_url)
        status, body = answer_of(url.port or 0, url.path)
        return status == HTTP_OK, _alarms_in(body)
    port = current.ports[process.name]
    if process.name == "postgres":
        return postgres_server(home, port).is_ready(), {}
    return kafka.answers("127.0.0.1", port), {}


def _alarms_in(body: bytes) -> dict[str, str]:
    try:
        return msgspec.json.decode(body, type=_Answer).details.alarms
    except msgspec.DecodeError:
        return {}


def last_complaint(log: Path, now_ms: int) -> str | None:
    """What a process complained of last in its log; None where it did not lately, or there is no log to be read."""
    try:
        with log.open("rb") as file:
            lines = last_lines(file, LOOKED_THROUGH)
    except OSError:
        return None
    for line in reversed(lines):
        said = _decoded(line)
        if said.get("level") in _COMPLAINING and _is_recent(said.get("timestamp"), now_ms):
            # A traceback ends with its error, which says more than that something failed.
            return str(said.get("exception") or said.get("reason") or said.get("event")).strip().splitlines()[-1]
    return None


def _decoded(line: str) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _is_recent(timestamp: object, now_ms: int) -> bool:
    try:
        return now_ms - parse_rfc3339(str(timestamp)) <= SAID_WITHIN_MS
    except ValueError:
        return False
