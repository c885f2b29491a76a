"""An event as it stands in the log: raw (`Record`, the very bytes) and decoded (`RecordedEvent`, what is folded)."""

from uuid import UUID

import msgspec

from schemas.codec import decode
from schemas.envelope import Envelope, decode_envelope
from schemas.events import Event


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of the log. `payload` is the wire frame, `metadata` the envelope's canonical JSON.

    `position` is dense per shard and `version` dense per stream, both from 1; `recorded_at` is Unix milliseconds;
    `record_hash` 32 bytes. `command_key` and `request_hash` stand on the first event of a command, and only in
    PostgreSQL: they are null on a record that was read from Kafka.
    """

    shard: int
    position: int
    stream_id: UUID
    version: int
    event_id: UUID
    type: str
    payload: bytes
    metadata: bytes
    command_key: UUID | None
    request_hash: bytes | None
    record_hash: bytes
    recorded_at: int

    def decoded(self) -> "RecordedEvent":
        """The event and its envelope, upcast to the newest version of its schema."""
        return RecordedEvent(
            event=decode(self.payload),
            envelope=decode_envelope(self.metadata),
            event_id=self.event_id,
            stream_id=self.stream_id,
            version=self.version,
            shard=self.shard,
            position=self.position,
            recorded_at=self.recorded_at,
        )


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its place in the log and its envelope: what `evolve`, posting rules and read models see."""

    event: Event
    envelope: Envelope
    event_id: UUID
    stream_id: UUID
    version: int
    shard: int
    position: int
    recorded_at: int
