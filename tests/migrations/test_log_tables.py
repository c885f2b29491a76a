"""The database itself keeps the log: what may only grow only grows, whoever asks."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.migrations.shared_database import migrated_database

PARTS = ["events", "events_0000", "events_0001", "events_0002", "events_0003"]
CHANGES = [
    "UPDATE {part} SET type = 'Forged'",
    "UPDATE {part} SET type = 'Forged' WHERE false",
    "DELETE FROM {part}",
    "TRUNCATE {part}",
    "MERGE INTO {part} e USING (SELECT 1) o ON true WHEN MATCHED THEN DELETE",
]


@pytest.fixture(scope="module")
async def log_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """A log with one event in each shard; nothing can change it, so all tests here may share it."""
    async with migrated_database(postgres_dsn, shards=4) as dsn:
        connection = await asyncpg.connect(dsn)
        for shard in range(4):
            await connection.execute(
                "INSERT INTO events VALUES ($1, 1, $2, 1, $2, 'a', '\\x0000000001', '{}', NULL, NULL, $3, 0)",
                shard,
                "00000000-0000-0000-0000-000000000001",
                bytes(32),
            )
        await connection.close()
        yield dsn


@pytest.fixture
async def connection(log_dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(log_dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize("role", ["guilder_app", "guilder_owner", "guilder_projections", None])
async def test_nobody_changes_what_was_recorded(connection: Any, role: str | None) -> None:
    before = await connection.fetch("SELECT * FROM events ORDER BY shard, position")
    if role is not None:
        await connection.execute(f"SET ROLE {role}")
    for part in PARTS:
        for change in CHANGES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change.format(part=part))
    await connection.execute("RESET ROLE")
    assert await connection.fetch("SELECT * FROM events ORDER BY shard, position") == before


async def test_pretending_to_be_a_replica_does_not_help(connection: Any) -> None:
    await connection.execute("SET session_replication_role = replica")
    for part in PARTS:
        for change in CHANGES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is refused"):
                await connection.execute(change.format(part=part))


@pytest.mark.parametrize("table", ["installation", "schema_registry"])
async def test_what_was_agreed_stays_as_well(connection: Any, table: str) -> None:
    for change in (f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is refused"):
            await connection.execute(change)


async def test_the_service_may_insert_and_select_events_and_nothing_else(connection: Any) -> None:
    granted = await connection.fetch(
        "SELECT privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'guilder_app' AND table_name LIKE 'events%' ORDER BY 1"
    )
    assert [row[0] for row in granted] == ["INSERT", "SELECT"]
    await connection.execute("SET ROLE guilder_app")
    for statement in ("INSERT INTO heads VALUES (9)", "DELETE FROM heads", "TRUNCATE heads", "SELECT create_shards(9)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_readers_of_the_log_cannot_write_it(connection: Any) -> None:
    await connection.execute("SET ROLE guilder_projections")
    assert await connection.fetchval("SELECT count(*) FROM events") == 4
    for statement in ("INSERT INTO events SELECT * FROM events", "UPDATE heads SET position = 9"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_nobody_logs_in_as_the_owner(connection: Any) -> None:
    rows = await connection.fetch(
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'guilder\\_%' ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        ("guilder_app", False),
        ("guilder_owner", False),
        ("guilder_projections", False),
    ]
    owners = await connection.fetch(
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname ~ '^(events|heads|installation|schema_registry)'"
    )
    assert [row[0] for row in owners] == ["guilder_owner"]


async def test_every_table_column_and_function_of_the_log_says_what_it_is(connection: Any) -> None:
    silent = await connection.fetch(
        """
        SELECT c.relname, a.attname
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relname IN ('events', 'heads', 'installation', 'schema_registry', 'schema_migrations')
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
        UNION ALL
        SELECT c.relname, NULL FROM pg_class c
        WHERE c.relname LIKE 'events\\_0%' AND c.relkind = 'r' AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT p.proname, NULL FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
          AND p.proname IN ('append_events', 'create_shards', 'refuse_change', 'refuse_changes_to')
        """
    )
    assert silent == []


async def test_an_update_of_a_head_stays_hot(connection: Any) -> None:
    for _ in range(50):
        await connection.execute("UPDATE heads SET position = position + 1 WHERE shard = 0")
    await connection.execute("SELECT pg_stat_force_next_flush()")
    updates = await connection.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'heads'"
    )
    assert updates["n_tup_upd"] == updates["n_tup_hot_upd"] == 50


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("position", "0"),
        ("version", "0"),
        ("type", "''"),
        ("payload", "'\\x01000000010000'"),
        ("payload", "'\\x00000000'"),
        ("payload", "'\\x00'::bytea || decode(repeat('00', 65536), 'hex')"),
        ("metadata", "''"),
        ("record_hash", "'\\x00'"),
        ("request_hash", "'\\x00'"),
    ],
)
async def test_a_malformed_row_is_refused(connection: Any, column: str, value: str) -> None:
    columns = ["shard", "position", "stream_id", "version", "event_id", "type", "payload", "metadata", "record_hash"]
    row = {name: name for name in [*columns, "recorded_at"]} | {"position": "9", "version": "9"}
    sound = f"INSERT INTO events ({', '.join(row)}) SELECT {', '.join(row.values())} FROM events WHERE shard = 0"
    row[column] = value
    malformed = f"INSERT INTO events ({', '.join(row)}) SELECT {', '.join(row.values())} FROM events WHERE shard = 0"
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(malformed)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(sound)
    await transaction.rollback()
