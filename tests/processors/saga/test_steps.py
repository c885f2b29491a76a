"""The table of steps on a real PostgreSQL: claims race, leases end, and a step is finished by its holder alone."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from bootstrap.clock import SYSTEM_CLOCK
from processors.saga.connections import open_pool
from processors.saga.steps import ClaimedStep, Finish, NewStep, StepTable, schedule
from processors.saga.workers import WorkerOptions, Workers
from schemas.errors import ShardUnavailable
from tests.processors.saga.harness import IDS, eventually

NOW = 1_000_000


def step(subject: UUID | None = None, **fields: object) -> NewStep:
    defaults: dict[str, object] = {
        "subject": subject or IDS.new_id(1),
        "kind": "call",
        "try_no": 1,
        "round_no": 1,
        "shard": 1,
        "stream_id": IDS.new_id(1),
        "operation_id": IDS.new_id(1),
        "target": None,
        "cause_id": IDS.new_id(1),
        "traceparent": None,
        "in_doubt": False,
        "due_at": NOW,
    }
    return msgspec.convert(defaults | fields, NewStep)


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(database)
    yield opened
    await opened.close()


async def add(pool: asyncpg.Pool, *steps: NewStep) -> None:
    async with pool.acquire() as connection:
        await schedule(connection, steps)


async def claim(pool: asyncpg.Pool, *, now: int = NOW, limit: int = 10, holder: str = "me") -> list[ClaimedStep]:
    return await StepTable(pool).claim(now_ms=now, limit=limit, lease_until=now + 100, holder=holder)


async def test_many_claim_at_once_and_each_step_is_given_to_one(pool: asyncpg.Pool) -> None:
    await add(pool, *(step() for _ in range(200)))

    claims = await asyncio.gather(*(claim(pool, limit=15, holder=str(number)) for number in range(20)))

    subjects = [claimed.subject for batch in claims for claimed in batch]
    assert len(subjects) == len(set(subjects)) == 200


async def test_only_what_is_due_is_claimed_longest_due_first(pool: asyncpg.Pool) -> None:
    later, early, first = step(due_at=NOW + 50), step(due_at=NOW - 1), step(due_at=NOW - 2)
    await add(pool, later, early, first)
    table = StepTable(pool)

    assert [claimed.subject for claimed in await claim(pool, limit=1)] == [first.subject]
    assert await table.next_ready_at() == NOW - 1
    assert [claimed.subject for claimed in await claim(pool)] == [early.subject]
    assert await table.next_ready_at() == NOW + 50
    assert await claim(pool) == []


async def test_scheduling_again_changes_nothing(pool: asyncpg.Pool) -> None:
    again = step()
    await add(pool, again)
    (claimed,) = await claim(pool)
    await StepTable(pool).finish([Finish(step=claimed, result="approved", following=None)], now_ms=NOW)

    await add(pool, again)

    assert await claim(pool, now=NOW + 1_000) == []


async def test_a_second_claim_knows_that_the_first_may_have_called_the_psp(pool: asyncpg.Pool) -> None:
    await add(pool, step(), step(kind="expiry"))
    assert [claimed.in_doubt for claimed in await claim(pool)] == [False, False]
    assert await claim(pool, now=NOW + 99) == []

    taken_over = await claim(pool, now=NOW + 100)

    assert {claimed.kind: claimed.in_doubt for claimed in taken_over} == {"call": True, "expiry": False}
    assert {claimed.epoch for claimed in taken_over} == {2}


async def test_who_lost_the_lease_can_neither_finish_nor_fail_nor_go_on(pool: asyncpg.Pool) -> None:
    table = StepTable(pool)
    await add(pool, step())
    (mine,) = await claim(pool)
    assert await table.is_held(mine, now_ms=NOW + 99)
    assert not await table.is_held(mine, now_ms=NOW + 100)
    (theirs,) = await claim(pool, now=NOW + 100, holder="they")

    assert not await table.is_held(mine, now_ms=NOW + 100)
    await table.fail(mine, error="too late", ready_at=NOW)
    following = step(mine.subject, try_no=2)
    ended = Finish(step=mine, result="mine", following=following)
    assert await table.finish([ended], now_ms=NOW + 101) == [False]
    assert await claim(pool, now=NOW + 150) == []

    # Both in one batch: the epoch tells them apart, and only the holder's next step is inserted.
    kept = Finish(step=theirs, result="theirs", following=step(mine.subject, kind="inquiry", try_no=2))
    assert await table.finish([ended, kept], now_ms=NOW + 160) == [False, True]
    rows = await pool.fetch("SELECT kind, try, result FROM steps ORDER BY try")
    assert [tuple(row) for row in rows] == [("call", 1, "theirs"), ("inquiry", 2, None)]


async def test_a_step_and_what_follows_it_are_written_together(pool: asyncpg.Pool) -> None:
    table = StepTable(pool)
    await add(pool, *(step() for _ in range(3)))
    claimed = await claim(pool)
    endings = [
        Finish(step=one, result="then_call", following=step(one.subject, try_no=2, in_doubt=True)) for one in claimed
    ]

    assert await table.finish(endings, now_ms=NOW) == [True] * 3
    assert await table.finish(endings, now_ms=NOW) == [False] * 3

    following = await claim(pool)
    assert {one.subject for one in following} == {one.subject for one in claimed}
    assert {(one.try_no, one.in_doubt, one.epoch) for one in following} == {(2, True, 1)}


async def test_a_failed_step_waits_with_its_error(pool: asyncpg.Pool) -> None:
    table = StepTable(pool)
    await add(pool, step())
    (claimed,) = await claim(pool)

    await table.fail(claimed, error="RuntimeError: no", ready_at=NOW + 500)

    assert await claim(pool, now=NOW + 499) == []
    (again,) = await claim(pool, now=NOW + 500)
    assert again.failures == 1
    assert await pool.fetchval("SELECT error FROM steps") == "RuntimeError: no"


async def test_a_step_that_finds_postgresql_away_is_told_in_one_line_and_each_is_counted(
    pool: asyncpg.Pool, caplog: pytest.LogCaptureFixture
) -> None:
    await add(pool, step(), step(kind="expiry"))

    async def finds_it_away(_: ClaimedStep) -> Finish:
        raise ShardUnavailable

    async def expires(mine: ClaimedStep) -> Finish:
        return Finish(step=mine, result="expired", following=None)

    def taken() -> tuple[float, float]:
        called = REGISTRY.get_sample_value("guilder_saga_steps_total", {"kind": "call", "result": "failed"})
        expired = REGISTRY.get_sample_value("guilder_saga_steps_total", {"kind": "expiry", "result": "expired"})
        return called or 0, expired or 0

    failed, expired = taken()
    workers = Workers(
        StepTable(pool),
        {"call": finds_it_away, "expiry": expires},
        clock=SYSTEM_CLOCK,
        options=WorkerOptions(holder="me"),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(workers.run(stop))
    async with asyncio.timeout(30):
        while not workers.steps_failed:  # noqa: ASYNC110 - a plain count
            await asyncio.sleep(0.01)
    stop.set()
    await running
    assert taken() == (failed + 1, expired + 1)

    told = [record for record in caplog.records if record.name == "processors.saga.workers"]
    assert [(record.levelname, record.exc_info) for record in told] == [("WARNING", None)]
    assert "has to wait" in told[0].getMessage()


class CountedTable(StepTable):
    """Counts how often it is asked what is due."""

    asked = 0

    async def claim(self, *, now_ms: int, limit: int, lease_until: int, holder: str) -> list[ClaimedStep]:
        self.asked += 1
        return await super().claim(now_ms=now_ms, limit=limit, lease_until=lease_until, holder=holder)


async def test_a_due_step_that_another_holds_locked_is_not_asked_about_without_a_pause(
    pool: asyncpg.Pool, database: str
) -> None:
    locked, free = step(), step()
    await add(pool, locked)
    taken: list[UUID] = []

    async def take(mine: ClaimedStep) -> Finish:
        taken.append(mine.subject)
        return Finish(step=mine, result="approved", following=None)

    wanted = 1

    async def are_taken() -> bool:
        return len(taken) == wanted

    table = CountedTable(pool)
    options = WorkerOptions(holder="me", poll_s=0.2)
    workers = Workers(table, {"call": take}, clock=SYSTEM_CLOCK, options=options)
    stop = asyncio.Event()
    other = await asyncpg.connect(database)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM steps FOR UPDATE")
            running = asyncio.create_task(workers.run(stop))
            await asyncio.sleep(1)
            assert table.asked <= 6
            # What comes meanwhile is taken at once, and what was locked once it is not.
            await add(pool, free)
            workers.wake()
            await eventually(are_taken, deadline_s=30)
            assert taken == [free.subject]
        wanted = 2
        await eventually(are_taken, deadline_s=30)
        assert taken == [free.subject, locked.subject]
        stop.set()
        await running
    finally:
        await other.close()
