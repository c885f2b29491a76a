"""The plans of the saga's frequent statements: probes of an index, however small the table of steps was or has become."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from processors.saga.connections import open_pool
from processors.saga.scheduler import SCHEDULE_AND_MOVE
from processors.saga.steps import CLAIM, FINISH

FREQUENT = {"claim": CLAIM, "finish": FINISH, "schedule": SCHEDULE_AND_MOVE}


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Scan" in plan["Node Type"] and "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", []):
        yield from scans(part)


@pytest.mark.parametrize("statement", FREQUENT.values(), ids=FREQUENT)
@pytest.mark.parametrize("open_steps", [0, 5_000])
async def test_no_table_is_read_as_a_whole(database: str, statement: str, open_steps: int) -> None:
    pool = await open_pool(database)
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO steps (subject, kind, try, round, shard, stream_id, operation_id, cause_id, due_at, ready_at) "
            "SELECT gen_random_uuid(), 'expiry', 1, 1, 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), at, at "
            "FROM generate_series(1, $1::bigint) AS at",
            open_steps,
        )
        # As PostgreSQL itself chooses to plan a statement that has often run.
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        types = [parameter.name for parameter in (await connection.prepare(statement)).get_parameters()]
        await connection.execute(f"PREPARE frequent ({', '.join(types)}) AS {statement}")
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE frequent ({', '.join('NULL' for _ in types)})")
    await pool.close()

    found = list(scans(json.loads(plan)[0]["Plan"]))
    assert found
    assert [scan["Node Type"] for scan in found] == ["Index Scan"] * len(found)
    assert all("Index Cond" in scan for scan in found)
