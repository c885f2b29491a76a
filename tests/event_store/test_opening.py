import asyncpg
import pytest

from event_store import EventStore, SchemaDisagreement, StoreOptions, WrongNumberOfShards
from migrations import migrate, rollback
from schemas.errors import ShardUnavailable
from schemas.registry import registry
from tests.contract.samples import CountedIds, first


async def test_opening_copies_the_schema_lock(database: str) -> None:
    for _ in range(2):
        store = await EventStore.open(StoreOptions(dsn=database, shards=4))
        await store.close()
    connection = await asyncpg.connect(database)
    rows = await connection.fetch("SELECT id, sha256 FROM schema_registry ORDER BY id")
    await connection.close()
    assert [tuple(row) for row in rows] == [(entry.id, entry.sha256) for entry in registry()]


@pytest.mark.parametrize("id_offset", [0, 1000])
async def test_another_schema_under_a_known_id_or_name_is_refused(database: str, id_offset: int) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO schema_registry VALUES ($1, 'MerchantRegistered.v1.avsc', sha256('another'), 'another')",
        1 + id_offset,
    )
    await connection.close()
    with pytest.raises(SchemaDisagreement):
        await EventStore.open(StoreOptions(dsn=database))


async def test_a_schema_of_a_newer_program_does_no_harm(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO schema_registry VALUES (9999, 'Newer.v1.avsc', sha256('newer'), 'newer')")
    await connection.close()
    store = await EventStore.open(StoreOptions(dsn=database))
    await store.close()


async def test_a_process_configured_with_another_number_of_shards_does_not_start(database: str) -> None:
    with pytest.raises(WrongNumberOfShards, match="has 4 shards, 16 are configured"):
        await EventStore.open(StoreOptions(dsn=database, shards=16))


@pytest.mark.parametrize(("cached_bytes", "kept"), [(0, False), (100_000, True)])
async def test_as_much_is_kept_in_memory_as_the_store_is_told(database: str, cached_bytes: int, kept: bool) -> None:
    store = await EventStore.open(StoreOptions(dsn=database, cached_bytes=cached_bytes))
    ids = CountedIds()
    stream_id = ids.new_id(0)
    await store.append(first(ids, stream_id))
    once, again = await store.load(stream_id), await store.load(stream_id)
    await store.close()
    assert once.version == again.version == 1
    # A stream that is known, and has nothing new, is given again as it is.
    assert (once is again) is kept


async def test_the_service_acts_in_its_own_role(database: str) -> None:
    store = await EventStore.open(StoreOptions(dsn=database))
    row = (
        await store._connections.fetch(
            "SELECT current_user, current_setting('synchronous_commit'), current_setting('lock_timeout'), "
            "current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"
        )
    )[0]
    await store.close()
    assert tuple(row) == ("guilder_app", "on", "2s", "5s", "5s")


async def test_a_database_without_the_log_is_named_as_such(empty_database: str) -> None:
    await migrate(empty_database, shards=1)
    await rollback(empty_database, to=0)
    with pytest.raises(asyncpg.UndefinedTableError):
        await EventStore.open(StoreOptions(dsn=empty_database))


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(ShardUnavailable):
        await EventStore.open(StoreOptions(dsn="postgresql://nobody@127.0.0.1:1/nowhere", reconnect_deadline_s=0.2))
