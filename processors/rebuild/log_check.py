"""Is the log still what was recorded? Its density, its order in time, and each record held against its hash.

A record's hash covers all that the record says and the hash before it in its stream, so what was changed shows, and where.
It covers neither the record's position nor its time: those show where they contradict their neighbours or the head.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from event_store import NO_PREDECESSOR, record_hash
from processors.rebuild.findings import Finding
from schemas.codec import FrameMalformed, schema_of
from schemas.records import Record

_BEFORE: Final = """
    SELECT e.stream_id, e.record_hash FROM unnest($2::uuid[], $3::integer[]) AS wanted (stream_id, version)
    JOIN events e ON e.shard = $1 AND e.stream_id = wanted.stream_id AND e.version = wanted.version AND e.position <= $4
"""
_HEAD: Final = "SELECT position, recorded_at FROM heads WHERE shard = $1"


class LogCheck:
    """Looks through one shard from its first record, batch after batch; keeps no more than the place it has come to."""

    def __init__(self, connection: Any, shard: int) -> None:
        self._connection = connection
        self._shard = shard
        self._recorded_at = 0
        self.position = 0

    async def look(self, records: Sequence[Record]) -> list[Finding]:
        """What is wrong with the next records of the shard."""
        hashes = await self._hashes_before(records)
        return [finding for record in records for finding in self._look_at(record, hashes)]

    async def end(self) -> Iterable[Finding]:
        """What is wrong with the end, once all records were looked at."""
        head = await self._connection.fetchrow(_HEAD, self._shard)
        rule = "the log ends where its head says"
        if head is None:
            return [Finding(self._shard, rule, "there is no head")]
        if head["position"] != self.position:
            place, said = f"{self._shard}:{self.position}", f"{self._shard}:{head['position']}"
            return [Finding(self._shard, rule, f"the last record is {place}, the head says {said}")]
        if head["recorded_at"] != self._recorded_at:
            return [Finding(self._shard, rule, f"{self._recorded_at} and {head['recorded_at']} ms are not one time")]
        return []

    async def _hashes_before(self, records: Sequence[Record]) -> dict[UUID, bytes]:
        """The hashes of the records, before these, that these are chained to."""
        first = {record.stream_id: record.version - 1 for record in reversed(records)}
        rows = await self._connection.fetch(_BEFORE, self._shard, list(first), list(first.values()), self.position)
        return {row["stream_id"]: row["record_hash"] for row in rows}

    def _look_at(self, record: Record, hashes: dict[UUID, bytes]) -> Iterator[Finding]:
        shard, position, before = self._shard, record.position, self.position
        place = f"{shard}:{position}"
        if position != before + 1:
            gap = f"{shard}:{before + 1}" + (f" to {shard}:{position - 1}" if position > before + 2 else "")
            yield Finding(shard, "the log is dense", f"{gap} is missing")
        if record.recorded_at < self._recorded_at:
            yield Finding(shard, "time never runs backwards", f"{place} was recorded before {shard}:{before}")
        yield from _chained(record, hashes, f"{place} ({record.type}, version {record.version} of {record.stream_id})")
        hashes[record.stream_id] = record.record_hash
        self.position, self._recorded_at = position, record.recorded_at


def _chained(record: Record, hashes: Mapping[UUID, bytes], name: str) -> Iterator[Finding]:
    previous = hashes.get(record.stream_id) if record.version > 1 else NO_PREDECESSOR
    if previous is None:
        yield Finding(
            record.shard, "a stream has every version", f"before {name} the version is missing that it follows"
        )
        return
    try:
        schema_sha256 = schema_of(record.payload).sha256
    except FrameMalformed as error:
        yield Finding(record.shard, "a record is what was recorded", f"{name}: {error}")
        return
    expected = record_hash(
        previous,
        stream_id=record.stream_id,
        version=record.version,
        event_id=record.event_id,
        event_type=record.type,
        schema_sha256=schema_sha256,
        payload=record.payload,
        metadata=record.metadata,
        command_key=record.command_key,
        request_hash=record.request_hash,
    )
    if expected != record.record_hash:
        changed = f"{name} was changed, or its hash was, or that of the version before it"
        yield Finding(record.shard, "a record is what was recorded", changed)
