"""Guilder's own processes: what each is called, what runs it, and where it answers.

The one list that `guilder run`, `guilder up` and `guilder status` all read.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class GuilderProcess:
    """`module` has `async def run(settings)`; `default_port` serves `/health`, and the API too where there is one."""

    name: str
    module: str
    default_port: int
    purpose: str


PSP_SIMULATOR: Final = GuilderProcess(
    "psp-simulator", "bootstrap.psp_simulator", 8090, "A payment service provider that misbehaves on demand."
)
API: Final = GuilderProcess("api", "bootstrap.processes.api", 8080, "Commands and queries over HTTP.")
RELAY: Final = GuilderProcess("relay", "bootstrap.processes.relay", 9101, "Copies the log to Kafka, in order.")
PROJECTOR: Final = GuilderProcess("projector", "bootstrap.processes.projector", 9102, "Keeps the read models current.")
SAGA: Final = GuilderProcess("saga", "bootstrap.processes.saga", 9103, "Carries payments through at the PSPs.")

ROSTER: Final = (PSP_SIMULATOR, API, RELAY, PROJECTOR, SAGA)
"""In the order they are started; each waits by itself for what it needs, so none blocks another."""


def find(name: str) -> GuilderProcess:
    """Return the process called `name`. Raises KeyError."""
    for process in ROSTER:
        if process.name == name:
            return process
    raise KeyError(name)
