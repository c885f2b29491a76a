"""One flush as the database sees it: a batch of commands in, one verdict a command out."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from event_store.appends import Sealed

APPEND: Final = "SELECT * FROM append_events($1, $2, $3)"
_json: Final = msgspec.json.Encoder().encode


class Outcome(IntEnum):
    """What the database decided about a command."""

    APPENDED = 0
    KEY_EXISTS = 1
    TOKEN_STALE = 2


_OUTCOMES: Final = tuple(Outcome)


class Verdict(msgspec.Struct, frozen=True):
    """`position` and `recorded_at` (Unix ms) are those of the command's first event.

    Or, when the outcome is another, those of the record that stood in its way (null where none does).
    """

    outcome: Outcome
    position: int | None
    recorded_at: int | None


class _Command(msgspec.Struct, frozen=True, gc=False):
    """A command as `append_events` reads it; msgspec writes bytes in base64."""

    shard: int
    stream_id: UUID
    expected_version: int
    expected_hash: bytes
    command_key: UUID | None
    request_hash: bytes | None
    event_count: int


class _Event(msgspec.Struct, frozen=True, gc=False):
    """An event as `append_events` reads it: `command` is its command's place in the batch, both numbers from 1."""

    command: int
    number: int
    event_id: UUID
    type: str
    payload: bytes
    metadata: bytes
    record_hash: bytes


def arguments(batch: Sequence[Sealed]) -> tuple[list[int], str, str]:
    """The parameters of `APPEND`: the shards, the commands, their events.

    As two JSON documents, because the driver spends about twice as long on as many arrays.

    Raises:
        ValueError: a text that is no UTF-8.
    """
    commands, events = [], []
    for place, sealed in enumerate(batch, start=1):
        append = sealed.append
        commands.append(
            _Command(
                sealed.shard,
                append.stream_id,
                append.expected_version,
                append.expected_hash,
                append.command_key,
                append.request_hash,
                len(append.events),
            )
        )
        for number, (event, record_hash) in enumerate(zip(append.events, sealed.hashes, strict=True), start=1):
            events.append(_Event(place, number, event.event_id, event.type, event.payload, event.metadata, record_hash))
    return list({sealed.shard for sealed in batch}), _json(commands).decode(), _json(events).decode()


def verdicts(batch: Sequence[Sealed], rows: Sequence[Any]) -> list[Verdict]:
    """The database's answer, in the batch's order.

    A command that stands in its own way has succeeded: it was submitted before, and the answer was lost. Event ids are
    never used twice, so the id of the record in the way tells, also where the command has no key.
    """
    found = []
    for sealed, (_, outcome, position, event_id, recorded_at) in zip(batch, rows, strict=True):
        if outcome != Outcome.APPENDED and event_id == sealed.append.events[0].event_id:
            outcome = Outcome.APPENDED  # noqa: PLW2901 - the row's word is corrected, not lost
        found.append(Verdict(_OUTCOMES[outcome], position, recorded_at))
    return found
