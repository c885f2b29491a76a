"""One of Guilder's own processes as a service to supervise: `guilder run NAME` with its settings and its health."""

import http.client
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootstrap.local_stack import child
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.ports import LOOPBACK
from bootstrap.local_stack.roster import GuilderProcess

STOP_WITHIN_S: Final = 20.0
HEALTH_WITHIN_S: Final = 2.0
HTTP_OK: Final = 200


@dataclass(frozen=True)
class GuilderService:
    """`environment` is the whole environment of the process; `port` is where it answers."""

    process: GuilderProcess
    port: int
    environment: Mapping[str, str]
    log_path: Path
    stop_within_s: float = STOP_WITHIN_S

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port,)

    @property
    def health_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/health/ready"

    def start(self) -> Child:
        """Start `guilder run NAME`."""
        command = [sys.executable, "-m", "bootstrap.cli", "run", self.name]
        return child.start(self.name, command, log_path=self.log_path, environment=self.environment)

    def is_ready(self) -> bool:
        """Ask `/health/ready`."""
        return is_healthy(self.port)

    def is_live(self) -> bool:
        """Ask it too, and take any answer."""
        return status_of(self.port) is not None


def is_healthy(port: int, path: str = "/health/ready") -> bool:
    """Tell whether the process on `port` of the loopback answers 200 within 2 s."""
    return status_of(port, path) == HTTP_OK


def status_of(port: int, path: str = "/health/ready") -> int | None:
    """What the process on `port` of the loopback answers; None when that takes longer than 2 s."""
    status, _ = answer_of(port, path)
    return status


def answer_of(port: int, path: str = "/health/ready") -> tuple[int | None, bytes]:
    """The status and the body with which it answers; null and nothing when that takes longer than 2 s."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=HEALTH_WITHIN_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()
