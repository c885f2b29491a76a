"""Showing how far an installation has come up, from its state alone, whoever is bringing it up."""

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.status import Status

from bootstrap.local_stack.state import InstallationState

DOING: Final = {
    "servers": "starting PostgreSQL and Kafka (the first time, Kafka's 43 MB are fetched)",
    "database": "making the database",
    "migrations": "bringing the tables up to date",
    "topic": "making the topic",
    "processes": "starting Guilder's processes",
    "demo merchant": "registering a demo merchant",
}


class StepDisplay:
    """A spinner for what is being done, and a line for each step that is done; plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._shown = 0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._status = self._console.status("starting")
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the spinner."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def tell(self, sentence: str) -> None:
        """Print a sentence above the spinner."""
        self._console.print(sentence)

    def show(self, state: InstallationState) -> None:
        """Print the steps that were done since the last call and spin for the one being done."""
        for step in state.steps[self._shown :]:
            if step.took_s is None:
                if self._status is not None:
                    self._status.update(DOING.get(step.name, step.name))
                break
            self._console.print(f"  [green]✓[/green] {step.name:<14} {step.took_s:6.1f} s")
            self._shown += 1
        if state.ready and self._status is not None:
            self._console.print(f"  ready after {time.monotonic() - self._began:.1f} s")
            self.close()
