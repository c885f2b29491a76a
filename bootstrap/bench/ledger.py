"""The ledger: filled once, so that balances are of something, and rebuilt from the log once a round."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from bootstrap.bench.lifecycles import pay
from bootstrap.bench.row import Measured
from event_store import EventStore, StoreOptions
from processors import projector, rebuild
from processors.projector import Projector
from processors.rebuild import PostgresLog, Rebuild
from projections import PROJECTIONS
from projections.ledger import Ledger

_PAGE: Final = 1000
_WORKERS: Final = 3
"""While one decodes, PostgreSQL writes for another."""


async def fill(dsn: str, merchants: Sequence[UUID], lifecycles: int) -> None:
    """Append paid lifecycles and apply the whole log to every read model; nothing may follow the log meanwhile."""
    store = await EventStore.open(StoreOptions(dsn=dsn))
    try:
        await pay(store, merchants, lifecycles)
        await project(dsn, store)
    finally:
        await store.close()


async def project(dsn: str, store: EventStore) -> int:
    """Bring every read model to the end of the log with the projector's own code; how many events that took."""
    pool = await projector.open_pool(dsn)
    try:
        handler = Projector(pool, PROJECTIONS)
        before = await handler.positions(range(store.shards))
        waiting = sorted(before)

        async def worker() -> None:
            while waiting:
                shard = waiting.pop()
                after = before[shard]
                while records := await store.read(shard, after, _PAGE):
                    after = await handler.handle(shard, records)

        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(worker())
        after = await handler.positions(range(store.shards))
    finally:
        await pool.close()
    return sum(after.values()) - sum(before.values())


class CatchUp:
    """Takes the time from when a rebuild knows its aim to when every shard has reached it."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._aims: dict[int, int] = {}
        self._reached: dict[int, int] = {}
        self._began: float | None = None
        self._ended: float | None = None

    def step(self, shard: int, position: int, until: int) -> None:
        """As `Rebuild` reports its progress; all aims come before the first event is applied."""
        now = self._clock()
        self._began = self._began or now
        self._aims[shard], self._reached[shard] = until, position
        if self._ended is None and self._aims == self._reached and any(self._aims.values()):
            self._ended = now

    def per_second(self, events: int) -> float:
        """The rate of `events` over that time."""
        assert self._began is not None, "a rebuild reports its aims"
        assert self._ended is not None, "a rebuild reports when it has reached them"
        return events / (self._ended - self._began)


class RebuildRow:
    """Log events a second into a new generation, read from PostgreSQL; the comparison and the switch do not count."""

    def __init__(self, name: str, dsn: str) -> None:
        self.name = name
        self._dsn = dsn

    def measure(self, number: int) -> Measured:  # noqa: ARG002 - every round rebuilds the same log
        return Measured(per_second=asyncio.run(rebuilding_rate(self._dsn)))


async def rebuilding_rate(dsn: str) -> float:
    """Rebuild the ledger once, in this process; log events a second."""
    pool = await rebuild.open_pool(dsn)
    try:
        shards = await rebuild.shards_of(pool)
        clock = CatchUp()
        report = await Rebuild(pool, Ledger(), PostgresLog(pool), shards=shards, progress=clock.step).run()
    finally:
        await pool.close()
    return clock.per_second(report.events)
