"""Which shards are handled together, and that none waits for another that cannot go on."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from processors.log_consumer.shard_progress import ShardProgress
from processors.log_consumer.shard_work import Applied, apply
from processors.log_consumer.work import Work
from schemas.kafka_record import headers_of, key_of
from schemas.records import Record
from tests.processors.log_writer import make_record


class Arrived:
    """An event of Faust's: a run of one shard's messages."""

    def __init__(self, shard: int, first: int, last: int) -> None:
        records = [make_record(shard, position) for position in range(first, last + 1)]
        messages = [
            SimpleNamespace(
                partition=shard,
                offset=record.position - 1,
                key=key_of(record),
                value=record.payload,
                headers=headers_of(record),
            )
            for record in records
        ]
        self.message = SimpleNamespace(partition=shard, value=messages)
        self.acknowledged = False

    def ack(self) -> None:
        self.acknowledged = True


class Applier:
    """A handler in memory. Shards of `stuck` wait for their event, a position of `poison` is refused."""

    name = "applier"

    def __init__(self) -> None:
        self.batches: list[dict[int, list[int]]] = []
        self.committed: dict[int, int] = {}
        self.poison: set[tuple[int, int]] = set()
        self.stuck: dict[int, asyncio.Event] = {}

    async def positions(self, shards: Sequence[int]) -> dict[int, int]:
        return {shard: self.committed.get(shard, 0) for shard in shards}

    async def handle(self, shard: int, records: Sequence[Record]) -> int:
        if shard in self.stuck:
            await self.stuck[shard].wait()
        return (await self.handle_together({shard: records}))[shard]

    async def handle_together(self, batches: Mapping[int, Sequence[Record]]) -> dict[int, int]:
        self.batches.append({shard: [record.position for record in records] for shard, records in batches.items()})
        await asyncio.sleep(0.005)
        if any(not self.stuck[shard].is_set() for shard in batches.keys() & self.stuck.keys()):
            raise TimeoutError
        for records in batches.values():
            for record in records:
                if (record.shard, record.position) in self.poison:
                    raise ValueError(f"{record.position} is poison")
        self.committed |= {shard: records[-1].position for shard, records in batches.items()}
        return {shard: self.committed[shard] for shard in batches}


class Bench:
    def __init__(self, *, size: int = 1000, at_once: int = 4) -> None:
        self.handler = Applier()
        self.halted: list[tuple[int, int]] = []
        self.work = Work(self.handler, halt=self._halt, on_gap=self._on_gap, at_once=at_once, size=size)
        self.work.assign({shard: ShardProgress(position=0, next_offset=0, moved_at=0) for shard in range(4)})

    async def _halt(self, shard: int, progress: ShardProgress, position: int, _reason: Any) -> None:
        progress.halted = True
        self.halted.append((shard, position))

    async def _on_gap(self, shard: int, _progress: ShardProgress, position: int, _offset: Any) -> None:
        raise AssertionError(f"no gap was made, but one at {position} of {shard}")

    def arrive(self, shard: int, first: int, last: int) -> Arrived:
        arrived = Arrived(shard, first, last)
        self.work.add(arrived)
        return arrived

    async def until(self, committed: dict[int, int]) -> None:
        async with asyncio.timeout(5):
            while self.handler.committed != committed:  # noqa: ASYNC110 - a dict in memory sets no event
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert self.work.failure is None


async def test_what_arrives_together_is_one_batch_and_so_is_what_came_meanwhile() -> None:
    bench = Bench()
    arrived = [bench.arrive(shard, 1, 2) for shard in (2, 0, 1)]
    while not bench.handler.batches:  # noqa: ASYNC110 - a list in memory sets no event
        await asyncio.sleep(0)
    arrived += [bench.arrive(shard, 3, 3) for shard in (0, 1)] + [bench.arrive(3, 1, 1)]
    await bench.until({0: 3, 1: 3, 2: 2, 3: 1})
    assert bench.handler.batches == [{2: [1, 2], 0: [1, 2], 1: [1, 2]}, {3: [1], 0: [3], 1: [3]}]
    assert all(each.acknowledged for each in arrived)
    assert {shard: each.position for shard, each in bench.work.shards.items()} == {0: 3, 1: 3, 2: 2, 3: 1}


async def test_a_poisonous_shard_halts_and_those_beside_it_go_on() -> None:
    bench = Bench()
    bench.handler.poison.add((1, 2))
    spoilt = bench.arrive(1, 1, 3)
    sound = [bench.arrive(shard, 1, 3) for shard in (0, 2)]
    await bench.until({0: 3, 1: 1, 2: 3})
    assert bench.halted == [(1, 2)]
    assert all(each.acknowledged for each in sound)
    assert not spoilt.acknowledged
    bench.arrive(1, 4, 4)
    bench.arrive(0, 4, 4)
    await bench.until({0: 4, 1: 1, 2: 3})


async def test_nobody_waits_for_a_shard_that_is_stuck() -> None:
    bench = Bench()
    stuck = bench.handler.stuck[1] = asyncio.Event()
    for shard in (0, 1, 2):
        bench.arrive(shard, 1, 2)
    await bench.until({0: 2, 2: 2})
    bench.arrive(1, 3, 3)
    bench.arrive(0, 3, 3)
    await bench.until({0: 3, 2: 2})
    stuck.set()
    await bench.until({0: 3, 1: 3, 2: 2})


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (3, 3)])
async def test_full_batches_are_handled_beside_each_other(at_once: int, most: int) -> None:
    bench = Bench(size=10, at_once=at_once)
    under_way = seen = 0
    together = bench.handler.handle_together

    async def counted(batches: Mapping[int, Sequence[Record]]) -> dict[int, int]:
        nonlocal under_way, seen
        under_way += 1
        seen = max(seen, under_way)
        try:
            return await together(batches)
        finally:
            under_way -= 1

    bench.handler.handle_together = counted  # type: ignore[method-assign]
    for shard in range(4):
        bench.arrive(shard, 1, 10)
    await bench.until(dict.fromkeys(range(4), 10))
    assert seen == most


async def test_with_a_backlog_every_shard_has_its_turn() -> None:
    bench = Bench(size=10, at_once=1)
    for first in range(1, 60, 10):
        for shard in range(4):
            bench.arrive(shard, first, first + 9)
    await bench.until(dict.fromkeys(range(4), 60))
    assert [shard for batch in bench.handler.batches[:8] for shard in batch] == [0, 1, 2, 3, 0, 1, 2, 3]


async def test_what_waits_for_a_shard_that_was_taken_away_is_dropped() -> None:
    bench = Bench()
    dropped = bench.arrive(0, 1, 5)
    bench.work.assign({1: ShardProgress(position=0, next_offset=0, moved_at=0)})
    bench.arrive(1, 1, 1)
    await bench.until({1: 1})
    assert not dropped.acknowledged


class DemotedOnce(Applier):
    """At first every shard's transaction is refused with `refusal`, as PostgreSQL says when it may not take it now."""

    def __init__(self, refusal: Exception) -> None:
        super().__init__()
        self.refusals = [refusal, refusal]

    async def handle_together(self, batches: Mapping[int, Sequence[Record]]) -> dict[int, int]:
        if self.refusals:
            raise self.refusals.pop()
        return await super().handle_together(batches)


@pytest.mark.parametrize(
    "refusal",
    [
        asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE in a read-only transaction"),
        asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction timeout"),
    ],
)
async def test_a_server_that_may_not_write_now_halts_no_shard(refusal: Exception) -> None:
    handler = DemotedOnce(refusal)
    record = make_record(0, 1)
    assert await apply(handler, 0, [record], lambda: False) == Applied(1)
