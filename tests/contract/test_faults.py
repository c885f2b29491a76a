import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from event_store import AlreadyDone, Appended, EventStore, StoreOptions, VersionConflict
from schemas.errors import Overloaded, ShardUnavailable
from schemas.framing import command_key
from tests.contract.samples import (
    ENVELOPE,
    BudgetDecider,
    CountedIds,
    Spend,
    eventually,
    first,
    following,
    log_of,
    positions_are_dense,
)
from tests.contract.tcp_proxy import TcpProxy, proxied


@pytest.fixture
async def proxy_and_store(database: str) -> AsyncIterator[tuple[TcpProxy, EventStore]]:
    async with proxied(database) as (proxy, dsn):
        opened = await EventStore.open(StoreOptions(dsn=dsn, reconnect_deadline_s=5))
        yield proxy, opened
        await opened.close()


def swallow_once(proxy: TcpProxy, marker: bytes) -> None:
    """Lose the answer to the next message that holds `marker`."""

    def swallow(data: bytes) -> bool:
        if marker in data:
            proxy.swallow_answer = lambda _: False
            return True
        return False

    proxy.swallow_answer = swallow


@pytest.mark.parametrize("key", ["a", None])
async def test_a_lost_answer_to_a_commit_is_found_out(
    proxy_and_store: tuple[TcpProxy, EventStore], ids: CountedIds, key: str | None, database: str
) -> None:
    proxy, store = proxy_and_store
    await store.append(first(ids, ids.new_id(0)))
    command = first(ids, ids.new_id(0), key=key, events=2)
    swallow_once(proxy, str(command.stream_id).encode())
    appended = await store.append(command)
    assert proxy.cuts == 1
    assert [record.position for record in appended.records] == [2, 3]
    assert (await log_of(store, 0))[1:] == list(appended.records)
    assert await positions_are_dense(database)


async def test_after_a_lost_answer_each_of_a_batch_learns_its_own_outcome(
    proxy_and_store: tuple[TcpProxy, EventStore], ids: CountedIds, database: str
) -> None:
    proxy, store = proxy_and_store
    taken = (await store.append(first(ids, ids.new_id(1), key="taken"))).records[0]
    commands = [first(ids, ids.new_id(number % 4), key=f"key {number}") for number in range(30)]
    commands += [first(ids, taken.stream_id), first(ids, ids.new_id(1), key="taken")]
    swallow_once(proxy, str(commands[0].stream_id).encode())
    outcomes = await asyncio.gather(*(store.append(command) for command in commands), return_exceptions=True)
    assert proxy.cuts == 1
    assert all(isinstance(outcome, Appended) for outcome in outcomes[:30])
    assert isinstance(outcomes[30], VersionConflict)
    assert isinstance(outcomes[31], AlreadyDone)
    assert sum((await store.heads()).values()) == 31
    assert await positions_are_dense(database)


async def test_connections_cut_at_random_moments_lose_and_double_nothing(
    proxy_and_store: tuple[TcpProxy, EventStore], ids: CountedIds, database: str
) -> None:
    proxy, store = proxy_and_store
    stop = asyncio.Event()
    stored: dict[str, Appended] = {}

    async def caller(name: int) -> None:
        number = 0
        while not stop.is_set():
            key = f"{name} {number}" if name % 2 else None
            appended = await store.append(first(ids, ids.new_id(name % 4), key=key, events=1 + number % 3))
            stored[f"{name} {number}"] = appended
            number += 1

    callers = [asyncio.create_task(caller(name)) for name in range(32)]
    for cut in range(25):
        await asyncio.sleep(0.011 + cut * 0.0017)
        proxy.cut()
    stop.set()
    await asyncio.gather(*callers)
    events = [event for shard in range(4) for event in await log_of(store, shard)]
    assert len({event.event_id for event in events}) == len(events) == sum(len(one.records) for one in stored.values())
    by_place = {(event.shard, event.position): event for event in events}
    for appended in stored.values():
        assert [by_place[record.shard, record.position] for record in appended.records] == list(appended.records)
    assert await positions_are_dense(database)


async def test_a_database_that_stays_away_is_unavailable_in_bounded_time(database: str, ids: CountedIds) -> None:
    async with proxied(database) as (proxy, dsn):
        store = await EventStore.open(StoreOptions(dsn=dsn, reconnect_deadline_s=0.3))
        stream_id = ids.new_id(0)
        await store.load(stream_id)
        proxy.refuse = True
        proxy.cut()
        async with asyncio.timeout(30):
            with pytest.raises(ShardUnavailable):
                await store.append(first(ids, stream_id, key="a"))
            with pytest.raises(ShardUnavailable):
                await store.load(stream_id)
        proxy.refuse = False

        async def stored() -> bool:
            try:
                return len((await store.append(first(ids, stream_id, key="a"))).records) == 1
            except ShardUnavailable:
                return False

        await eventually(stored)
        await store.close()


async def test_while_the_database_is_away_nobody_waits_for_the_patience_of_others(
    database: str, ids: CountedIds
) -> None:
    """Of commands under one key, of one stream, or of more than one batch, the last hears as soon as the first."""
    async with proxied(database) as (proxy, dsn):
        store = await EventStore.open(StoreOptions(dsn=dsn, reconnect_deadline_s=0.5, batch_limit=16))
        spent = ids.new_id(0)
        await spend(store, ids, spent)
        proxy.refuse = True
        proxy.cut()
        calls = [store.append(first(ids, ids.new_id(0), key="same")) for _ in range(16)]
        calls += [store.append(first(ids, ids.new_id(0))) for _ in range(16 * 16)]
        outcomes = asyncio.gather(*calls, *(spend(store, ids, spent) for _ in range(16)), return_exceptions=True)
        async with asyncio.timeout(4):
            assert {type(outcome) for outcome in await outcomes} == {ShardUnavailable}
        proxy.refuse = False
        await store.append(first(ids, ids.new_id(0), key="same"))
        assert len((await store.load(spent)).records) == 1
        proxy.cut()
        await asyncio.gather(store.append(first(ids, ids.new_id(0))), store.load(spent))
        await store.close()


async def test_each_outage_is_outlasted_though_nobody_noticed_the_end_of_the_one_before(
    database: str, ids: CountedIds
) -> None:
    async with proxied(database) as (proxy, dsn):
        store = await EventStore.open(StoreOptions(dsn=dsn, reconnect_deadline_s=1.5))
        stream_id = ids.new_id(0)
        await store.load(stream_id)
        proxy.refuse = True
        proxy.cut()
        with pytest.raises(ShardUnavailable):
            await store.load(stream_id)
        proxy.refuse = False
        await asyncio.sleep(2)  # the server is there, and nobody asks
        proxy.refuse = True
        asked = asyncio.create_task(store.load(stream_id))
        await asyncio.sleep(0.3)
        proxy.refuse = False
        assert (await asked).version == 0
        await store.close()


async def spend(store: EventStore, ids: CountedIds, stream_id: UUID) -> None:
    await store.execute(BudgetDecider(), stream_id, Spend(1), envelope=ENVELOPE, event_ids=ids)


async def test_repeats_of_a_command_wait_for_a_locked_shard_together(database: str, ids: CountedIds) -> None:
    store = await EventStore.open(StoreOptions(dsn=database, lock_timeout_ms=300))
    blocker = await asyncpg.connect(database)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT FROM heads WHERE shard = 1 FOR UPDATE")
    calls = [store.append(first(ids, ids.new_id(1), key="same")) for _ in range(16)]
    async with asyncio.timeout(3):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ShardUnavailable}
    await transaction.rollback()
    await blocker.close()
    await store.append(first(ids, ids.new_id(1), key="same"))
    await store.close()


async def test_a_locked_shard_holds_up_no_other_shard(database: str, ids: CountedIds) -> None:
    store = await EventStore.open(StoreOptions(dsn=database, lock_timeout_ms=200))
    blocker = await asyncpg.connect(database)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT FROM heads WHERE shard = 1 FOR UPDATE")
    outcomes = await asyncio.gather(
        *(store.append(first(ids, ids.new_id(shard))) for shard in range(4)), return_exceptions=True
    )
    await transaction.rollback()
    await blocker.close()
    assert isinstance(outcomes.pop(1), ShardUnavailable)
    assert all(isinstance(outcome, Appended) for outcome in outcomes)
    await store.append(first(ids, ids.new_id(1)))
    await store.close()


async def test_a_flush_that_takes_too_long_is_made_shard_by_shard(database: str, ids: CountedIds) -> None:
    store = await EventStore.open(StoreOptions(dsn=database, statement_timeout_ms=200, lock_timeout_ms=10_000))
    async with locked(database, "SELECT FROM heads WHERE shard = 1 FOR UPDATE"):
        calls = [store.append(first(ids, ids.new_id(shard), key="a")) for shard in range(4)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Appended, ShardUnavailable, Appended, Appended]
    await store.append(first(ids, ids.new_id(1), key="a"))
    await store.close()


@pytest.mark.parametrize(
    "options",
    [
        {"lock_timeout_ms": 200, "statement_timeout_ms": 10_000},
        {"lock_timeout_ms": 10_000, "statement_timeout_ms": 200},
    ],
)
async def test_a_read_that_waits_too_long_says_that_the_shard_is_away(
    database: str, ids: CountedIds, options: dict[str, int]
) -> None:
    """As when a migration holds the table, or waits for it: everyone else then waits behind it."""
    store = await EventStore.open(StoreOptions(dsn=database, **options))
    stream_id = ids.new_id(0)
    await store.append(first(ids, stream_id))
    async with locked(database, "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"):
        with pytest.raises(ShardUnavailable):
            await store.load(stream_id)
        with pytest.raises(ShardUnavailable):
            await store.find_command(0, command_key("a"))
    assert (await store.load(stream_id)).version == 1
    await store.close()


@asynccontextmanager
async def locked(dsn: str, statement: str) -> AsyncIterator[None]:
    """Another connection holds the locks that `statement` takes."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()


async def test_a_caller_that_goes_away_cancels_nothing_but_its_wait(store: EventStore, ids: CountedIds) -> None:
    blocker = asyncio.Event()
    submit = store._writer._submit

    async def slow(batch: object) -> object:
        await blocker.wait()
        return await submit(batch)  # type: ignore[arg-type]

    store._writer._submit = slow  # type: ignore[assignment]
    commands = [first(ids, ids.new_id(0), key=f"key {number}") for number in range(10)]
    tasks = [asyncio.create_task(store.append(command)) for command in commands]
    await asyncio.sleep(0.05)
    for task in tasks[:5]:
        task.cancel()
    blocker.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[:5])
    assert all(isinstance(outcome, Appended) for outcome in outcomes[5:])
    assert len(await log_of(store, 0)) == 10, "the flush was under way, so all its commands are stored"
    with pytest.raises(AlreadyDone):
        await store.append(first(ids, ids.new_id(0), key="key 0"))


async def test_a_caller_that_goes_away_in_the_queue_is_not_written_at_all(store: EventStore, ids: CountedIds) -> None:
    task = asyncio.create_task(store.append(first(ids, ids.new_id(0), key="gone")))
    await asyncio.sleep(0)  # it is in the queue
    task.cancel()
    await store.append(first(ids, ids.new_id(0)))
    assert await store.find_command(0, command_key("gone")) is None


async def test_a_full_queue_refuses_at_once(database: str, ids: CountedIds) -> None:
    store = await EventStore.open(StoreOptions(dsn=database, queue_limit=10))
    tasks = [asyncio.create_task(store.append(first(ids, ids.new_id(0)))) for _ in range(15)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 5
    await store.append(first(ids, ids.new_id(0)))
    await store.close()


async def test_closing_refuses_then_drains(database: str, ids: CountedIds) -> None:
    store = await EventStore.open(StoreOptions(dsn=database, batch_limit=4))
    stream = first(ids, ids.new_id(0))
    tasks = [asyncio.create_task(store.append(first(ids, ids.new_id(0), key=f"{n}"))) for n in range(30)]
    tasks += [asyncio.create_task(store.append(first(ids, ids.new_id(0), key="0")))]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await store.append(stream)
    async with asyncio.timeout(30):
        await closing
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 30
    assert isinstance(outcomes[30], AlreadyDone)
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM events") == 30
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    async def nobody_is_connected() -> bool:
        return not await connection.fetchval(f"{others} AND backend_type = 'client backend'")

    await eventually(nobody_is_connected)
    await connection.close()


async def test_a_stale_command_of_a_stream_that_moved_meanwhile_is_told_so(store: EventStore, ids: CountedIds) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    outcomes = await asyncio.gather(*(store.append(following(ids, tip)) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Appended] + [VersionConflict] * 4
