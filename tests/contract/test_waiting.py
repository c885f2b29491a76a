import asyncio

import asyncpg
import pytest

from event_store import EventStore, StoreOptions, Stream
from event_store.head_listener import HeadListener
from tests.contract.samples import CountedIds, eventually, first, following


def anything(_: Stream) -> bool:
    return True


async def waits_now(store: EventStore) -> None:
    """Until somebody waits and the watch has had its first look."""

    async def looks() -> bool:
        return bool(store._watch._waiting) and store._watch._looker is not None

    await eventually(looks)
    await asyncio.sleep(0.05)


async def listens(dsn: str) -> bool:
    """Whether somebody has begun to listen, and waits for what comes."""
    connection = await asyncpg.connect(dsn)
    try:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN %'"
            )
        )
    finally:
        await connection.close()


async def test_a_wait_ends_when_this_process_moves_the_stream(store: EventStore, ids: CountedIds) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    waiting = asyncio.create_task(store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
    await waits_now(store)
    await store.append(following(ids, tip))
    async with asyncio.timeout(30):
        assert (await waiting).version == 2
    assert store._watch._waiting == {}


async def test_a_wait_ends_when_another_process_moves_the_stream(
    store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    waiting = asyncio.create_task(
        store.wait_for(tip.stream_id, after_version=1, until=lambda stream: stream.version == 3, deadline_s=30)
    )
    await waits_now(store)
    tip = (await other_store.append(following(ids, tip))).records[-1]
    await asyncio.sleep(0.1)
    assert not waiting.done(), "version 2 is not what it waits for"
    await other_store.append(following(ids, tip))
    async with asyncio.timeout(30):
        assert (await waiting).version == 3


async def test_waits_end_with_what_is_there_when_they_are_ended(store: EventStore, ids: CountedIds) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    waiting = asyncio.create_task(store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
    await waits_now(store)
    store.end_waits()
    async with asyncio.timeout(5):
        assert (await waiting).version == 1
        later = store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30)
        assert (await later).version == 1
    assert store._watch._waiting == {}


async def test_polling_alone_would_do(database: str, other_store: EventStore, ids: CountedIds) -> None:
    deaf = await EventStore.open(StoreOptions(dsn=database))
    try:
        deaf._watch._listener = HeadListener(StoreOptions(dsn=database), lambda _: None)
        tip = (await other_store.append(first(ids, ids.new_id(0)))).records[-1]
        waiting = asyncio.create_task(deaf.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
        await waits_now(deaf)
        await other_store.append(following(ids, tip))
        async with asyncio.timeout(30):
            assert (await waiting).version == 2
    finally:
        await deaf.close()


async def test_the_announcement_alone_would_do(database: str, other_store: EventStore, ids: CountedIds) -> None:
    lazy = await EventStore.open(StoreOptions(dsn=database, poll_interval_ms=3_600_000))
    try:
        tip = (await other_store.append(first(ids, ids.new_id(0)))).records[-1]
        waiting = asyncio.create_task(lazy.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
        await waits_now(lazy)
        await eventually(lambda: listens(database))
        await other_store.append(following(ids, tip))
        async with asyncio.timeout(30):
            assert (await waiting).version == 2
    finally:
        await lazy.close()


async def test_a_wait_outlasts_heads_that_could_not_be_read_for_a_while(
    database: str, store: EventStore, other_store: EventStore, ids: CountedIds
) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    waiting = asyncio.create_task(store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
    await waits_now(store)
    owner = await asyncpg.connect(database)
    try:
        await owner.execute("REVOKE SELECT ON heads FROM guilder_app")
        await asyncio.sleep(0.3)
        await owner.execute("GRANT SELECT ON heads TO guilder_app")
    finally:
        await owner.close()
    await other_store.append(following(ids, tip))
    async with asyncio.timeout(10):
        assert (await waiting).version == 2


async def test_heads_that_cannot_be_read_are_told_once_and_looked_at_without_haste(
    database: str, store: EventStore, ids: CountedIds, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = store._watch._look

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await look()

    def told() -> int:
        return sum("the heads cannot be read" in record.getMessage() for record in caplog.records)

    monkeypatch.setattr(store._watch, "_look", counted)
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    waiting = asyncio.create_task(store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
    await waits_now(store)
    owner = await asyncpg.connect(database)
    try:
        for outages in (1, 2):
            await owner.execute("REVOKE SELECT ON heads FROM guilder_app")
            await asyncio.sleep(0.1)
            before = looks
            await asyncio.sleep(1.2)
            # At their usual pace there would be dozens.
            assert 1 <= looks - before <= 4
            assert told() == outages
            await owner.execute("GRANT SELECT ON heads TO guilder_app")
            await asyncio.sleep(0.8)
    finally:
        await owner.close()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert told() == 2


async def test_at_its_deadline_a_wait_answers_with_the_newest(store: EventStore, ids: CountedIds) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    stream = await store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=0.1)
    assert stream.version == 1
    stream = await store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=0)
    assert stream.version == 1


async def test_what_has_already_come_is_not_waited_for(store: EventStore, ids: CountedIds) -> None:
    tip = (await store.append(first(ids, ids.new_id(0), events=2))).records[-1]
    async with asyncio.timeout(30):
        stream = await store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30)
    assert stream.version == 2


async def test_who_stops_waiting_takes_no_connection_from_others(
    database: str, store: EventStore, ids: CountedIds
) -> None:
    tip = (await store.append(first(ids, ids.new_id(0)))).records[-1]
    observer = await asyncpg.connect(database)
    try:
        await store.load(tip.stream_id)
        before = await readers(observer)
        for turns in range(12):
            waiting = asyncio.create_task(store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await asyncio.sleep(0.05)  # until nobody looks, so that the next one looks first
        assert before <= await readers(observer)
    finally:
        await observer.close()


async def readers(observer: asyncpg.Connection) -> set[int]:
    """The processes of PostgreSQL that serve this database's readers."""
    rows = await observer.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'guilder reader'"
    )
    return {row["pid"] for row in rows}


async def test_many_wait_for_many_streams(store: EventStore, other_store: EventStore, ids: CountedIds) -> None:
    tips = [(await store.append(first(ids, ids.new_id(number % 4)))).records[-1] for number in range(40)]
    waiting = [
        asyncio.create_task(store.wait_for(tip.stream_id, after_version=1, until=anything, deadline_s=30))
        for tip in tips
    ]
    await waits_now(store)
    await asyncio.gather(*(other_store.append(following(ids, tip)) for tip in tips))
    async with asyncio.timeout(30):
        assert {stream.version for stream in await asyncio.gather(*waiting)} == {2}
    assert store._watch._seen == {}


async def test_heads_are_announced_after_the_commit_and_rarely(database: str, ids: CountedIds) -> None:
    heard: list[str] = []
    listener = await asyncpg.connect(database)
    await listener.add_listener("guilder_heads", lambda *message: heard.append(message[3]))

    async def first_was_heard() -> bool:
        return bool(heard)

    # So rarely that only the first of a hundred is announced by itself.
    rare = await EventStore.open(StoreOptions(dsn=database, notify_interval_ms=3_600_000))
    try:
        for _ in range(100):
            await rare.append(first(ids, ids.new_id(2)))
        await eventually(first_was_heard)
    finally:
        await rare.close()
    await listener.fetch("SELECT 1")
    assert len(heard) == 1

    async def last_was_heard() -> bool:
        return "2:101" in heard

    usual = await EventStore.open(StoreOptions(dsn=database))
    try:
        await usual.append(first(ids, ids.new_id(2)))
        await eventually(last_was_heard)
    finally:
        await usual.close()
        await listener.close()
