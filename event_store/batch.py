"""One flush as the database sees it: a batch of commands in, one verdict a command out."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

import msgspec

from event_store.appends import Sealed

APPEND: Final = "SELECT * FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"


class Outcome(IntEnum):
    """What the database decided about a command."""

    APPENDED = 0
    KEY_EXISTS = 1
    TOKEN_STALE = 2


class Verdict(msgspec.Struct, frozen=True):
    """`position` and `recorded_at` (Unix ms) are those of the command's first event.

    Or, when the outcome is another, those of the record that stood in its way (null where none does).
    """

    outcome: Outcome
    position: int | None
    recorded_at: int | None


def arguments(batch: Sequence[Sealed]) -> tuple[list[Any], ...]:
    """The parameters of `APPEND`: seven lists of commands, then seven lists of their events."""
    appends = [sealed.append for sealed in batch]
    counted = [(number, append) for number, append in enumerate(appends, start=1)]
    events = [event for append in appends for event in append.events]
    return (
        [sealed.shard for sealed in batch],
        [append.stream_id for append in appends],
        [append.expected_version for append in appends],
        [append.expected_hash for append in appends],
        [append.command_key for append in appends],
        [append.request_hash for append in appends],
        [len(append.events) for append in appends],
        [number for number, append in counted for _ in append.events],
        [number for append in appends for number in range(1, len(append.events) + 1)],
        [event.event_id for event in events],
        [event.type for event in events],
        [event.payload for event in events],
        [event.metadata for event in events],
        [record_hash for sealed in batch for record_hash in sealed.hashes],
    )


def verdicts(batch: Sequence[Sealed], rows: Sequence[Any]) -> list[Verdict]:
    """The database's answer, in the batch's order.

    A command that stands in its own way has succeeded: it was submitted before, and the answer was lost. Event ids are
    never used twice, so the id of the record in the way tells, also where the command has no key.
    """
    found = []
    for sealed, (_, outcome, position, event_id, recorded_at) in zip(batch, rows, strict=True):
        if outcome != Outcome.APPENDED and event_id == sealed.append.events[0].event_id:
            outcome = Outcome.APPENDED  # noqa: PLW2901 - the row's word is corrected, not lost
        found.append(Verdict(Outcome(outcome), position, recorded_at))
    return found
