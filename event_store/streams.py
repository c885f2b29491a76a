"""Streams: one aggregate's events in order, read in batches and kept in a small cache."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from event_store.connections import ReadConnections
from event_store.record_hashes import NO_PREDECESSOR
from schemas.codec import FrameMalformed
from schemas.identifiers import shard_of
from schemas.records import Record, RecordedEvent
from schemas.tick_batch import TickBatch

COLUMNS: Final = (
    "shard, position, stream_id, version, event_id, type, payload, metadata, command_key, request_hash, "
    "record_hash, recorded_at"
)
_E_COLUMNS: Final = ", ".join(f"e.{column}" for column in COLUMNS.split(", "))
# OFFSET 0 keeps the planner from turning the probes of one partition each into a join over all partitions.
TAILS: Final = f"""
SELECT {_E_COLUMNS}
FROM unnest($1::integer[], $2::uuid[], $3::integer[]) AS wanted (shard, stream_id, after)
CROSS JOIN LATERAL (
    SELECT * FROM events e
    WHERE e.shard = wanted.shard AND e.stream_id = wanted.stream_id AND e.version > wanted.after
    ORDER BY e.version OFFSET 0
) e
"""  # noqa: S608 - constants only
BY_KEY: Final = f"""
SELECT {_E_COLUMNS}
FROM unnest($1::integer[], $2::uuid[]) AS wanted (shard, command_key)
CROSS JOIN LATERAL (
    SELECT * FROM events e WHERE e.shard = wanted.shard AND e.command_key = wanted.command_key OFFSET 0
) e
"""  # noqa: S608 - constants only
_QUERY_LIMIT: Final = 512


class StreamCorrupt(Exception):
    """Versions of a stream that are not 1, 2, 3 …: the log was damaged behind the store's back."""


class Stream(msgspec.Struct, frozen=True):
    """All events of an aggregate; `version` 0 and 32 zero bytes when there are none.

    (`version`, `record_hash`) is the token that an append is compared with.
    """

    stream_id: UUID
    records: tuple[RecordedEvent, ...] = ()
    version: int = 0
    record_hash: bytes = NO_PREDECESSOR

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
        return Stream(self.stream_id, (*self.records, *decoded), last.version, last.record_hash)


class Streams:
    """Loads streams: many in one query, and of a stream that is known only what is new.

    The cache holds what is committed and nothing else, so it may be behind but never wrong.
    """

    def __init__(self, connections: ReadConnections, *, cached_streams: int) -> None:
        self._connections = connections
        self._cached_streams = cached_streams
        self._cache: OrderedDict[UUID, Stream] = OrderedDict()
        self._loads: TickBatch[UUID, Stream] = TickBatch(self._load, limit=_QUERY_LIMIT)
        self._keys: TickBatch[tuple[int, UUID], Record | None] = TickBatch(self._find, limit=_QUERY_LIMIT)

    async def load(self, stream_id: UUID) -> Stream:
        """The stream as it is committed now."""
        return await self._loads.get(stream_id)

    async def find_command(self, shard: int, command_key: UUID) -> Record | None:
        """The first event of the command that owns the key."""
        return await self._keys.get((shard, command_key))

    def cached(self, stream_id: UUID) -> Stream | None:
        """The stream as it was when this process last saw it."""
        return self._cache.get(stream_id)

    def remember(self, stream: Stream) -> None:
        """Keep a committed state, unless a newer one is known."""
        known = self._cache.get(stream.stream_id)
        if known is None or known.version < stream.version:
            self._cache[stream.stream_id] = stream
        self._cache.move_to_end(stream.stream_id)
        if len(self._cache) > self._cached_streams:
            self._cache.popitem(last=False)

    async def close(self) -> None:
        """Wait for the queries that are under way."""
        await self._loads.close()
        await self._keys.close()

    async def _load(self, stream_ids: Sequence[UUID]) -> Mapping[UUID, Stream | Exception]:
        known = {stream_id: self._cache.get(stream_id) or Stream(stream_id) for stream_id in stream_ids}
        rows = await self._connections.fetch(
            TAILS,
            [shard_of(stream_id) for stream_id in known],
            list(known),
            [stream.version for stream in known.values()],
        )
        tails: dict[UUID, list[Record]] = {}
        for row in rows:
            record = record_of(row)
            tails.setdefault(record.stream_id, []).append(record)
        found: dict[UUID, Stream | Exception] = dict(known)
        for stream_id, tail in tails.items():
            try:
                stream = known[stream_id].extended(tail, [record.decoded() for record in tail])
            except (StreamCorrupt, FrameMalformed) as error:
                # One stream that this process cannot read fails those who asked for it, not all of this tick.
                found[stream_id] = error
            else:
                found[stream_id] = stream
                self.remember(stream)
        return found

    async def _find(self, keys: Sequence[tuple[int, UUID]]) -> Mapping[tuple[int, UUID], Record | None]:
        rows = await self._connections.fetch(BY_KEY, [shard for shard, _ in keys], [key for _, key in keys])
        found = {(record.shard, record.command_key): record for record in map(record_of, rows)}
        return {key: found.get(key) for key in keys}


def record_of(row: Any) -> Record:
    """The record in a row of `COLUMNS`."""
    return Record(
        shard=row[0],
        position=row[1],
        stream_id=row[2],
        version=row[3],
        event_id=row[4],
        type=row[5],
        payload=row[6],
        metadata=row[7],
        command_key=row[8],
        request_hash=row[9],
        record_hash=row[10],
        recorded_at=row[11],
    )
