"""Reading the log in batches: all shards that ask in one tick of the event loop are answered by one query."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemas.records import Record

_READ: Final = """
    SELECT e.shard, e.position, e.stream_id, e.version, e.event_id, e.type, e.payload, e.metadata, e.command_key,
           e.request_hash, e.record_hash, e.recorded_at
    FROM unnest($1::integer[], $2::bigint[]) AS wanted (shard, after)
    CROSS JOIN LATERAL (
        SELECT * FROM events
        WHERE events.shard = wanted.shard AND events.position > wanted.after
        ORDER BY events.position LIMIT $3
    ) AS e
    ORDER BY e.shard, e.position
"""


class StoreGap(Exception):
    """Positions of a shard are not dense: a record is missing, which nothing but damage can cause."""


class _Wanted(msgspec.Struct):
    after: int
    answer: asyncio.Future[list[Record]]


class StoreReader:
    """`read` over a pool of connections; at most `limit` records a shard and query.

    Queries begin at least `gather_s` apart, and whoever asks meanwhile shares the next: at full load the relay reads
    fifty times a second in all, not for each shard, while the first record after a quiet while is read at once.
    """

    def __init__(self, pool: Any, *, limit: int, gather_s: float) -> None:
        self._pool = pool
        self._limit = limit
        self._gather_s = gather_s
        self._not_before = 0.0
        self._wanted: dict[int, _Wanted] = {}
        self._flushes: set[asyncio.Task[None]] = set()

    async def read(self, shard: int, after: int) -> list[Record]:
        """The records of `shard` behind position `after`, in order, without a gap. One reader a shard at a time.

        Raises:
            StoreGap: the next record is not `after` + 1, or one further on is missing.
        """
        if shard in self._wanted:
            raise RuntimeError(f"shard {shard} is being read already")
        answer: asyncio.Future[list[Record]] = asyncio.get_running_loop().create_future()
        if not self._wanted:
            flush = asyncio.create_task(self._flush())
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        self._wanted[shard] = wanted = _Wanted(after, answer)
        try:
            records = await answer
        finally:
            # Where a reader gave up before the query began, the shard may be read again.
            if self._wanted.get(shard) is wanted:
                del self._wanted[shard]
        for expected, record in enumerate(records, start=after + 1):
            if record.position != expected:
                raise StoreGap(f"shard {shard} has position {record.position} where {expected} belongs")
        return records

    async def close(self) -> None:
        """Give up what is being read."""
        for flush in self._flushes:
            flush.cancel()
        await asyncio.gather(*self._flushes, return_exceptions=True)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        self._not_before = loop.time() + self._gather_s
        wanted, self._wanted = self._wanted, {}
        if not wanted:
            return
        try:
            rows = await self._pool.fetch(_READ, list(wanted), [each.after for each in wanted.values()], self._limit)
        except asyncio.CancelledError:
            for each in wanted.values():
                each.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who asked
            for each in wanted.values():
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        found: dict[int, list[Record]] = {shard: [] for shard in wanted}
        for row in rows:
            found[row["shard"]].append(_record(row))
        for shard, each in wanted.items():
            if not each.answer.done():
                each.answer.set_result(found[shard])


def _record(row: Mapping[str, Any]) -> Record:
    return Record(
        shard=row["shard"],
        position=row["position"],
        stream_id=row["stream_id"],
        version=row["version"],
        event_id=row["event_id"],
        type=row["type"],
        payload=row["payload"],
        metadata=row["metadata"],
        command_key=row["command_key"],
        request_hash=row["request_hash"],
        record_hash=row["record_hash"],
        recorded_at=row["recorded_at"],
    )
