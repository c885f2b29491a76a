"""The tables of the read models: described, guarded even against replication roles, and gone after a rollback."""

from typing import Any

import asyncpg
import pytest

from migrations import migrate, rollback
from tests.conftest import TEST_SHARDS
from tests.projections.history import worked_case
from tests.projections.test_ledger import apply


async def test_every_table_of_a_generation_says_what_it_is(connection: Any) -> None:
    undescribed = await connection.fetch(
        """
        SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND (n.nspname ~ '^(ledger|payments)_' OR c.relname IN ('checkpoints', 'live', 'halted_shards'))
          AND obj_description(c.oid) IS NULL
        """
    )
    assert undescribed == []


async def test_rows_are_guarded_from_a_session_that_turns_triggers_off(connection: Any, database: str) -> None:
    await apply(connection, worked_case().recorded)
    owner: Any = await asyncpg.connect(database, server_settings={"session_replication_role": "replica"})
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute("DELETE FROM ledger_1.entries")
    finally:
        await owner.close()


async def test_rolling_back_takes_every_generation_away_and_migrating_brings_the_first_again(database: str) -> None:
    connection: Any = await asyncpg.connect(database)
    try:
        await connection.execute("SELECT create_ledger_generation(7)")
        await rollback(database, to=2)
        left = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(ledger|payments)_[0-9]' ORDER BY 1"
        assert await connection.fetch(left) == []
        assert await connection.fetchval("SELECT to_regclass('checkpoints')") is None
        await migrate(database, shards=TEST_SHARDS)
        assert [row["nspname"] for row in await connection.fetch(left)] == ["ledger_1", "payments_1"]
        live = await connection.fetch("SELECT projection, generation FROM live ORDER BY 1")
        assert [tuple(row) for row in live] == [("ledger", 1), ("payments", 1)]
    finally:
        await connection.close()
