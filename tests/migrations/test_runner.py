import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from migrations import MigrationChanged, MigrationMissing, OtherNumberOfShards, migrate, rollback
from migrations.runner import Migration, migrations

STEPS = (
    *migrations()[:1],
    Migration(9001, "one", "CREATE TABLE one (a int);", "DROP TABLE one;"),
    Migration(
        9002, "two", "CREATE TABLE two (a int); INSERT INTO two SELECT shards FROM installation;", "DROP TABLE two;"
    ),
)


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(empty_database)
    yield connection
    await connection.close()


async def applied(connection: Any) -> list[int]:
    return [row[0] for row in await connection.fetch("SELECT number FROM schema_migrations ORDER BY number")]


async def test_all_files_apply_revert_and_apply_again(empty_database: str, connection: Any) -> None:
    numbers = [step.number for step in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    await migrate(empty_database, shards=2)
    assert await applied(connection) == numbers
    await rollback(empty_database, to=0)
    assert await applied(connection) == []
    left = "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v')"
    assert [row[0] for row in await connection.fetch(left)] == ["schema_migrations"]
    await migrate(empty_database, shards=3)
    assert await connection.fetchval("SELECT shards FROM installation") == 3


async def test_a_second_run_changes_nothing(empty_database: str, connection: Any) -> None:
    await migrate(empty_database, shards=2, steps=STEPS[:1])
    before = await connection.fetch("SELECT * FROM schema_migrations")
    await migrate(empty_database, shards=2, steps=STEPS[:1])
    assert await connection.fetch("SELECT * FROM schema_migrations") == before


async def test_new_files_apply_on_top_of_the_old(empty_database: str, connection: Any) -> None:
    await migrate(empty_database, shards=2, steps=STEPS[:2])
    await migrate(empty_database, shards=2, steps=STEPS)
    assert await connection.fetchval("SELECT a FROM two") == 2


async def test_the_shards_are_there_before_the_second_file(empty_database: str, connection: Any) -> None:
    await migrate(empty_database, shards=5, steps=STEPS)
    assert await connection.fetchval("SELECT a FROM two") == 5


async def test_processes_that_start_at_once_apply_each_file_once(empty_database: str, connection: Any) -> None:
    await asyncio.gather(*(migrate(empty_database, shards=2, steps=STEPS) for _ in range(5)))
    assert await applied(connection) == [1, 9001, 9002]


async def test_a_failing_file_leaves_nothing_behind(empty_database: str, connection: Any) -> None:
    broken = replace(STEPS[1], up="CREATE TABLE one (a int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database, shards=2, steps=(STEPS[0], broken, STEPS[2]))
    assert await applied(connection) == [1]
    assert await connection.fetchval("SELECT to_regclass('one')") is None
    await migrate(empty_database, shards=2, steps=STEPS)


async def test_a_file_that_changed_after_it_was_applied_is_refused(empty_database: str) -> None:
    await migrate(empty_database, shards=2, steps=STEPS)
    edited = (STEPS[0], replace(STEPS[1], up=STEPS[1].up + " -- harmless"), STEPS[2])
    with pytest.raises(MigrationChanged, match="9001_one"):
        await migrate(empty_database, shards=2, steps=edited)
    with pytest.raises(MigrationChanged, match="9001_one"):
        await rollback(empty_database, to=0, steps=edited)


async def test_an_older_program_does_not_touch_a_newer_database(empty_database: str) -> None:
    await migrate(empty_database, shards=2, steps=STEPS)
    with pytest.raises(MigrationMissing, match="9002_two"):
        await migrate(empty_database, shards=2, steps=STEPS[:2])


async def test_rollback_stops_where_it_is_told(empty_database: str, connection: Any) -> None:
    await migrate(empty_database, shards=2, steps=STEPS)
    await rollback(empty_database, to=9001, steps=STEPS)
    assert await applied(connection) == [1, 9001]
    assert await connection.fetchval("SELECT to_regclass('two')") is None


async def test_the_number_of_shards_is_for_good(empty_database: str, connection: Any) -> None:
    await migrate(empty_database, shards=2)
    with pytest.raises(OtherNumberOfShards, match="2 shards for good"):
        await migrate(empty_database, shards=3)
    assert await connection.fetchval("SELECT count(*) FROM heads") == 2


@pytest.mark.parametrize("shards", [0, 4097])
async def test_an_impossible_number_of_shards_is_refused(empty_database: str, shards: int) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await migrate(empty_database, shards=shards)


INSERT_EVENT = (
    "INSERT INTO events VALUES (0, 1, $1, 1, $1, 'a', '\\x0000000001', '{}', NULL, NULL, $2, 0)",
    "00000000-0000-0000-0000-000000000001",
    bytes(32),
)


async def test_a_log_with_events_is_not_dropped_nor_what_was_built_on_it(empty_database: str, connection: Any) -> None:
    await migrate(empty_database, shards=1)
    before = await applied(connection)
    await connection.execute(*INSERT_EVENT)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="holds events"):
        await rollback(empty_database, to=0)
    assert await connection.fetchval("SELECT count(*) FROM events") == 1
    assert await applied(connection) == before, "the saga's steps cannot be had from the log again"


async def test_an_event_that_is_just_being_appended_is_not_dropped(empty_database: str, connection: Any) -> None:
    await migrate(empty_database, shards=1)
    async with connection.transaction():
        await connection.execute(*INSERT_EVENT)
        rolling_back = asyncio.create_task(rollback(empty_database, to=0))
        # Until it waits for this transaction.
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="holds events"):
        await rolling_back
    assert await connection.fetchval("SELECT count(*) FROM events") == 1
