"""Reading streams from PostgreSQL: many in one query, and of a stream that is known only what is new."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from event_store.connections import ReadConnections
from event_store.stream import Stream, StreamCorrupt
from event_store.stream_cache import StreamCache
from schemas.codec import FrameMalformed
from schemas.identifiers import shard_of
from schemas.records import Record
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


class Streams:
    """Loads streams, as far as `cache` does not know them, and puts there what it has read."""

    def __init__(self, connections: ReadConnections, cache: StreamCache) -> None:
        self._connections = connections
        self._cache = cache
        self._loads: TickBatch[UUID, Stream] = TickBatch(self._load, limit=_QUERY_LIMIT)
        self._keys: TickBatch[tuple[int, UUID], Record | None] = TickBatch(self._find, limit=_QUERY_LIMIT)

    async def load(self, stream_id: UUID) -> Stream:
        """The stream as it is committed now."""
        return await self._loads.get(stream_id)

    async def find_command(self, shard: int, command_key: UUID) -> Record | None:
        """The first event of the command that owns the key."""
        return await self._keys.get((shard, command_key))

    async def close(self) -> None:
        """Wait for the queries that are under way."""
        await self._loads.close()
        await self._keys.close()

    async def _load(self, stream_ids: Sequence[UUID]) -> Mapping[UUID, Stream | Exception]:
        known = {stream_id: self._cache.stream(stream_id) or Stream(stream_id) for stream_id in stream_ids}
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
                self._cache.remember(stream)
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
