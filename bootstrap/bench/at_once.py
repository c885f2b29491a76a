"""Rows that are measured at the same time, so that whatever the machine does meanwhile meets all of them in the same moment.

For what differs by less than the machine itself does from one second to the next: each row gets less than it would by
itself, and their ratio stands.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bootstrap.bench.row import Measured, Missing, Row


class AtOnce:
    """Rows that share their rounds; a round is measured when the first of them is asked for it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {row.name: row for row in rows}
        self._rounds: dict[int, dict[str, Measured | Missing]] = {}

    def part(self, name: str) -> "Part":
        """The row of this name, to be measured together with all others."""
        return Part(name, self)

    def measured(self, number: int) -> dict[str, Measured | Missing]:
        """What round `number` gave for each row. Raises what the first row that failed did."""
        if number not in self._rounds:
            with ThreadPoolExecutor(len(self._rows)) as threads:
                running = {name: threads.submit(row.measure, number) for name, row in self._rows.items()}
            self._rounds[number] = {name: each.result() for name, each in running.items()}
        return self._rounds[number]


@dataclass(frozen=True)
class Part:
    """One of them, as a row of the bench."""

    name: str
    together: AtOnce

    def measure(self, number: int) -> Measured | Missing:
        """Its part of the round."""
        return self.together.measured(number)[self.name]
