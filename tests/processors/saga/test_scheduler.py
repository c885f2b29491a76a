"""The scheduler: steps and checkpoint in one transaction, each record once, nothing skipped."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from event_store import EventStore
from processors.log_consumer import PositionGap
from processors.saga import redrive
from processors.saga.connections import open_pool
from processors.saga.decisions import attempt_id_of
from processors.saga.scheduler import GENERATION, PROJECTION, SagaScheduler
from schemas.records import Record
from tests.processors.saga.harness import SHARD, Shop, store_at


class Woken:
    times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest_asyncio.fixture
async def store(database: str) -> AsyncIterator[EventStore]:
    async with store_at(database) as opened:
        yield opened


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(database)
    yield opened
    await opened.close()


async def orders(store: EventStore, count: int) -> list[Record]:
    shop = Shop(store)
    for _ in range(count):
        await shop.order()
    return await store.read(SHARD, 0, 1_000)


async def test_each_request_becomes_one_step_however_often_it_comes(store: EventStore, pool: asyncpg.Pool) -> None:
    woken = Woken()
    scheduler = SagaScheduler(pool, clock=SYSTEM_CLOCK, delay_scale=1, scheduled=woken)
    records = await orders(store, 3)
    assert await scheduler.positions([0, SHARD]) == {0: 0, SHARD: 0}

    assert await scheduler.handle(SHARD, records[:4]) == 4
    assert await scheduler.handle(SHARD, records) == 6
    assert await scheduler.handle(SHARD, records[2:]) == 6

    assert await scheduler.positions([0, SHARD]) == {0: 0, SHARD: 6}
    rows = await pool.fetch("SELECT subject, operation_id, kind, try, due_at, cause_id FROM steps")
    requests = {record.event_id: record for record in records if record.type == "AuthorizationRequested"}
    assert {row["cause_id"] for row in rows} == set(requests)
    for row in rows:
        assert row["subject"] == attempt_id_of(SHARD, row["operation_id"], 1)
        assert (row["kind"], row["try"]) == ("call", 1)
        assert row["due_at"] == requests[row["cause_id"]].recorded_at
    assert woken.times == 2


async def test_a_gap_is_refused_and_nothing_of_the_batch_stays(store: EventStore, pool: asyncpg.Pool) -> None:
    scheduler = SagaScheduler(pool, clock=SYSTEM_CLOCK, delay_scale=1, scheduled=Woken())
    records = await orders(store, 2)

    with pytest.raises(PositionGap) as refusal:
        await scheduler.handle(SHARD, [records[0], records[1], records[3]])

    assert (refusal.value.expected, refusal.value.got) == (3, 4)
    assert await scheduler.positions([SHARD]) == {SHARD: 0}
    assert await pool.fetchval("SELECT count(*) FROM steps") == 0
    with pytest.raises(PositionGap):
        await scheduler.handle(SHARD, records[1:])


async def test_a_failure_leaves_neither_steps_nor_checkpoint(
    store: EventStore, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = SagaScheduler(pool, clock=SYSTEM_CLOCK, delay_scale=1, scheduled=Woken())
    records = await orders(store, 1)

    async def break_off(*_: object) -> None:
        raise ConnectionError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr("processors.saga.scheduler.follow_cases", break_off)
        with pytest.raises(ConnectionError):
            await scheduler.handle(SHARD, records)

    assert await scheduler.positions([SHARD]) == {SHARD: 0}
    assert await pool.fetchval("SELECT count(*) FROM steps") == 0
    assert await scheduler.handle(SHARD, records) == 2
    assert await redrive.open_cases(pool) == []


async def test_only_where_a_case_is_open_the_cases_are_followed(
    store: EventStore, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = SagaScheduler(pool, clock=SYSTEM_CLOCK, delay_scale=1, scheduled=Woken())
    records = await orders(store, 3)
    assert await scheduler.handle(SHARD, records[:2]) == 2
    followed: list[Sequence[Record]] = []

    async def follow(_: object, batch: Sequence[Record]) -> None:
        followed.append(batch)

    monkeypatch.setattr("processors.saga.scheduler.follow_cases", follow)
    await pool.execute(
        "INSERT INTO saga_cases (case_id, shard, position, stream_id, attempt_id, event_id, exposure, currency, reason, "
        "opened_at) VALUES ($1, $2, 2, $3, $1, $1, 1, 'EUR', 'unknown', 1)",
        SYSTEM_IDS.new_id(SHARD),
        SHARD,
        records[4].stream_id,
    )
    assert await scheduler.handle(SHARD, records[2:4]) == 4
    assert followed == []
    assert await scheduler.handle(SHARD, records[4:]) == 6
    assert followed == [records[4:]]
    assert await pool.fetchval("SELECT count(*) FROM steps") == 3


async def test_shards_are_scheduled_together_and_each_by_its_own_checkpoint(
    store: EventStore, pool: asyncpg.Pool
) -> None:
    scheduler = SagaScheduler(pool, clock=SYSTEM_CLOCK, delay_scale=1, scheduled=Woken())
    records = await orders(store, 3)
    other = [replace(record, shard=SHARD + 1) for record in records]
    await scheduler.handle(SHARD, records[:4])

    # One shard goes on behind its checkpoint; of the other, which has none yet, everything is new.
    assert await scheduler.handle_together({SHARD: records[4:], SHARD + 1: other[:2]}) == {SHARD: 6, SHARD + 1: 2}
    assert await scheduler.positions([SHARD, SHARD + 1]) == {SHARD: 6, SHARD + 1: 2}
    assert await pool.fetchval("SELECT count(*) FROM steps") == 4


async def test_a_gap_in_one_shard_leaves_the_others_of_the_batch_scheduled(
    store: EventStore, pool: asyncpg.Pool
) -> None:
    woken = Woken()
    scheduler = SagaScheduler(pool, clock=SYSTEM_CLOCK, delay_scale=1, scheduled=woken)
    records = await orders(store, 3)
    await scheduler.handle(SHARD, records[:2])
    woken.times = 0
    with pytest.raises(PositionGap):
        await scheduler.handle_together({SHARD: records[2:], SHARD + 1: [replace(records[3], shard=SHARD + 1)]})
    assert await scheduler.positions([SHARD, SHARD + 1]) == {SHARD: 6, SHARD + 1: 0}
    assert await pool.fetchval("SELECT count(*) FROM steps") == 3
    assert woken.times == 1
    assert await scheduler.handle(SHARD, records[2:]) == 6


async def test_of_several_shards_the_lowest_is_locked_first(
    store: EventStore, pool: asyncpg.Pool, database: str
) -> None:
    scheduler = SagaScheduler(pool, clock=SYSTEM_CLOCK, delay_scale=1, scheduled=Woken())
    records = await orders(store, 1)
    other = [replace(record, shard=SHARD + 1) for record in records]
    # With so many shards the planner takes them in the batch's order, unless told otherwise.
    await pool.execute(
        "INSERT INTO checkpoints (projection, generation, shard) SELECT $1, $2, generate_series(0, 4095)",
        PROJECTION,
        GENERATION,
    )
    async with asyncio.timeout(30):
        owner = await asyncpg.connect(database)
        await owner.execute("ANALYZE checkpoints")
        await owner.close()
        async with pool.acquire() as holder, pool.acquire() as observer, holder.transaction():
            await holder.execute(f"SELECT FROM checkpoints WHERE shard = {SHARD} FOR UPDATE")
            handling = asyncio.create_task(scheduler.handle_together({SHARD + 1: other, SHARD: records}))
            while not await observer.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            free = await observer.fetch(
                f"SELECT shard FROM checkpoints WHERE shard = {SHARD + 1} FOR UPDATE SKIP LOCKED"
            )
        assert [row[0] for row in free] == [SHARD + 1]
        assert await handling == {SHARD: 2, SHARD + 1: 2}
