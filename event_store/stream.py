"""A stream: one aggregate's events in order."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from event_store.record_hashes import NO_PREDECESSOR
from schemas.records import Record, RecordedEvent


class StreamCorrupt(Exception):
    """Versions of a stream that are not 1, 2, 3 …: the log was damaged behind the store's back."""


class Stream(msgspec.Struct, frozen=True, gc=False):
    """All events of an aggregate; `version` 0 and 32 zero bytes when there are none.

    (`version`, `record_hash`) is the token that an append is compared with. `stored_bytes` is what payloads and metadata
    take in the log.
    """

    stream_id: UUID
    records: tuple[RecordedEvent, ...] = ()
    version: int = 0
    record_hash: bytes = NO_PREDECESSOR
    stored_bytes: int = 0

    def extended(self, records: Sequence[Record], decoded: Sequence[RecordedEvent]) -> "Stream":
        """This stream and the records that follow it, which come decoded as well.

        Raises:
            StreamCorrupt: they do not follow it.
        """
        if not records:
            return self
        if [record.version for record in records] != list(range(self.version + 1, self.version + 1 + len(records))):
            raise StreamCorrupt(f"stream {self.stream_id} does not go on from version {self.version} without a gap")
        last = records[-1]
        stored_bytes = sum([len(record.payload) + len(record.metadata) for record in records])
        return Stream(
            self.stream_id,
            (*self.records, *decoded),
            last.version,
            last.record_hash,
            self.stored_bytes + stored_bytes,
        )
