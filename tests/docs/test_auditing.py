"""What the auditors' page tells them to type does what it says."""

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from event_store import EventStore, StoreOptions
from tests.contract.samples import CountedIds, first

PAGE = (Path(__file__).parents[2] / "docs" / "auditing.md").read_text(encoding="utf-8")
AUDITOR, NEWEST = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_the_operators_key_is_made_with_its_hash_below_it() -> None:
    [command] = re.findall(r"^\$ (python3 -c .*)$", PAGE, re.MULTILINE)
    made = [subprocess.check_output(["bash", "-c", command], text=True, timeout=30).splitlines() for _ in range(2)]
    for key, digest in made:
        assert len(key) >= 43
        assert hashlib.sha256(key.encode()).hexdigest() == digest
    assert made[0] != made[1]


async def test_an_auditor_reads_the_log_and_changes_nothing(database: str) -> None:
    ids = CountedIds()
    store = await EventStore.open(StoreOptions(dsn=database))
    await store.append(first(ids, ids.new_id(3), events=2))
    await store.close()
    connection: Any = await asyncpg.connect(database)
    try:
        await connection.execute(AUDITOR)
        try:
            await connection.execute("SET ROLE auditor")
            rows = await connection.fetch(NEWEST)
            assert [(row["shard"], row["position"]) for row in rows] == [(3, 1), (3, 2)]
            assert all("type" in row["actor"] for row in rows)
            assert {row["projection"] for row in await connection.fetch("SELECT * FROM live")} == {"ledger", "payments"}
            for refused in ("DELETE FROM events", "UPDATE heads SET position = 0", "CREATE TABLE mine (x int)"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(refused)
        finally:
            # Roles belong to the server, which other tests share.
            await connection.execute("RESET ROLE")
            await connection.execute("DROP ROLE auditor")
    finally:
        await connection.close()
