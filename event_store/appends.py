"""What is appended, and what comes of it."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError

from event_store.record_hashes import NO_PREDECESSOR, record_hash
from schemas.codec import schema_of
from schemas.identifiers import shard_of
from schemas.records import Record


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event to append: `payload` is its wire frame, `metadata` its envelope's canonical JSON."""

    event_id: UUID
    type: str
    payload: bytes
    metadata: bytes


class Append(msgspec.Struct, frozen=True, gc=False):
    """One command's events for one stream, all or none.

    `expected_version` and `expected_hash` are the stream's end that the command was decided on (0 and 32 zero bytes for
    a stream without events). Under `command_key` the command happens at most once in its shard.
    """

    stream_id: UUID
    expected_version: int
    expected_hash: bytes
    events: tuple[NewEvent, ...]
    command_key: UUID | None = None
    request_hash: bytes | None = None


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The command's events as they now stand in the log."""

    records: tuple[Record, ...]


class AlreadyDone(IntegrityError):
    """Another command owns the key; `record` is the first event it appended."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"the command key is that of {record.type} at {record.shard}:{record.position}")
        self.record = record


class VersionConflict(IntegrityError):
    """The stream no longer ends where the command was decided; load it and decide again."""

    def __init__(self, stream_id: UUID, expected_version: int) -> None:
        super().__init__(f"stream {stream_id} no longer ends at version {expected_version}")
        self.stream_id = stream_id
        self.expected_version = expected_version


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """An `Append` with its shard and the record hash of each event, ready to be written."""

    append: Append
    shard: int
    hashes: tuple[bytes, ...]

    def recorded(self, first_position: int, recorded_at: int) -> tuple[Record, ...]:
        """The records, given where and when they were stored (Unix ms)."""
        append = self.append
        return tuple(
            Record(
                shard=self.shard,
                position=first_position + index,
                stream_id=append.stream_id,
                version=append.expected_version + 1 + index,
                event_id=event.event_id,
                type=event.type,
                payload=event.payload,
                metadata=event.metadata,
                command_key=None if index else append.command_key,
                request_hash=None if index else append.request_hash,
                record_hash=self.hashes[index],
                recorded_at=recorded_at,
            )
            for index, event in enumerate(append.events)
        )


def sealed(append: Append) -> Sealed:
    """`append` with its record hashes, which depend on nothing the database decides.

    Raises:
        schemas.codec.FrameMalformed: a payload is no frame of a known schema.
        ValueError: no events, or a hash of another length than 32 bytes.
    """
    if not append.events:
        raise ValueError("a command without events has nothing to append")
    if len(append.expected_hash) != len(NO_PREDECESSOR):
        raise ValueError("expected_hash is 32 bytes")
    return Sealed(
        append,
        shard_of(append.stream_id),
        chained(append, [schema_of(event.payload).sha256 for event in append.events]),
    )


def chained(append: Append, schema_hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """The record hash of each event, given the SHA-256 of the schema that wrote each payload."""
    previous = append.expected_hash
    hashes = []
    for index, event in enumerate(append.events):
        previous = record_hash(
            previous,
            stream_id=append.stream_id,
            version=append.expected_version + 1 + index,
            event_id=event.event_id,
            event_type=event.type,
            schema_sha256=schema_hashes[index],
            payload=event.payload,
            metadata=event.metadata,
            command_key=None if index else append.command_key,
            request_hash=None if index else append.request_hash,
        )
        hashes.append(previous)
    return tuple(hashes)
