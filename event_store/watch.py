"""Waiting for a stream to move on, whichever process moves it."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from event_store.connections import ReadConnections
from event_store.head_listener import HeadListener
from event_store.options import StoreOptions
from event_store.stream import Stream
from schemas.identifiers import shard_of

_HEADS: Final = "SELECT shard, position FROM heads WHERE shard = ANY ($1::integer[])"
_TOUCHED: Final = """
SELECT e.stream_id
FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS moved (shard, after, upto)
CROSS JOIN LATERAL (
    SELECT e.stream_id FROM events e
    WHERE e.shard = moved.shard AND e.position > moved.after AND e.position <= moved.upto OFFSET 0
) e
"""
_LOOK_AGAIN_S: Final = 0.5
_log = logging.getLogger(__name__)


class Watch:
    """Wakes whoever waits for a stream when the stream has new events.

    This process's own appends wake directly. Those of others are announced on `guilder_heads`; the heads are also
    polled while anyone waits, so a lost announcement only costs `poll_interval_ms`.
    """

    def __init__(
        self, options: StoreOptions, connections: ReadConnections, load: Callable[[UUID], Awaitable[Stream]]
    ) -> None:
        self._options = options
        self._connections = connections
        self._load = load
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._shards: Counter[int] = Counter()
        self._seen: dict[int, int] = {}
        self._announced = asyncio.Event()
        self._looker: asyncio.Task[None] | None = None
        self._listener: HeadListener | None = None
        self._ending = False

    async def wait_for(
        self, stream_id: UUID, *, after_version: int, until: Callable[[Stream], bool], deadline_s: float
    ) -> Stream:
        """See `EventStore.wait_for`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        async with self._interest_in(stream_id) as moved:
            while True:
                moved.clear()
                stream = await self._load(stream_id)
                left_s = deadline - loop.time()
                if (stream.version > after_version and until(stream)) or left_s <= 0 or self._ending:
                    return stream
                try:
                    async with asyncio.timeout(left_s):
                        await moved.wait()
                except TimeoutError:
                    return await self._load(stream_id)

    def touched(self, stream_ids: Iterable[UUID]) -> None:
        """These streams have new events."""
        if self._waiting:
            for stream_id in stream_ids:
                for moved in self._waiting.get(stream_id, ()):
                    moved.set()

    def end_waits(self) -> None:
        """See `EventStore.end_waits`."""
        self._ending = True
        self.touched(list(self._waiting))

    async def close(self) -> None:
        """Stop listening and polling."""
        if self._looker is not None:
            self._looker.cancel()
            await asyncio.gather(self._looker, return_exceptions=True)
        if self._listener is not None:
            await self._listener.close()

    @asynccontextmanager
    async def _interest_in(self, stream_id: UUID) -> AsyncIterator[asyncio.Event]:
        shard = shard_of(stream_id)
        moved = asyncio.Event()
        self._waiting.setdefault(stream_id, set()).add(moved)
        self._shards[shard] += 1
        try:
            if shard not in self._seen:
                # From before the first look at the stream, so that nothing falls between the two. Shielded, since a
                # query that is broken off costs its connection, and whoever waits may go away at any time.
                for row in await asyncio.shield(self._connections.fetch(_HEADS, [shard])):
                    self._seen.setdefault(row[0], row[1])
            if self._looker is None or self._looker.done():
                self._looker = asyncio.create_task(self._look_while_anyone_waits(), name="event store watch")
            if self._listener is None:
                self._listener = HeadListener(self._options, lambda _: self._announced.set())
            yield moved
        finally:
            self._waiting[stream_id].discard(moved)
            if not self._waiting[stream_id]:
                del self._waiting[stream_id]
            self._shards[shard] -= 1
            if not self._shards[shard]:
                del self._shards[shard]
                self._seen.pop(shard, None)

    async def _look_while_anyone_waits(self) -> None:
        failing = False
        while self._waiting:
            try:
                async with asyncio.timeout(self._options.poll_interval_ms / 1000):
                    await self._announced.wait()
            except TimeoutError:
                pass
            self._announced.clear()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - if this ended, nobody would tell those who wait
                if not failing:
                    _log.warning("the heads cannot be read; whoever waits goes on waiting: %r", error)
                failing = True
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                failing = False
            await asyncio.sleep(self._options.notify_interval_ms / 1000)

    async def _look(self) -> None:
        before = dict(self._seen)
        heads = {row[0]: row[1] for row in await self._connections.fetch(_HEADS, list(before))}
        moved = {shard: position for shard, position in heads.items() if position > before[shard]}
        if not moved:
            return
        rows = await self._connections.fetch(
            _TOUCHED, list(moved), [before[shard] for shard in moved], list(moved.values())
        )
        self.touched({row[0] for row in rows})
        # A shard that everyone has left meanwhile starts afresh with its next waiter.
        self._seen.update({shard: position for shard, position in moved.items() if shard in self._seen})
