"""The append's plans: one index probe a command and question, in one partition, however large the tables were."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import asyncpg

from event_store.appends import sealed
from event_store.batch import APPEND, arguments
from tests.contract.samples import CountedIds, first

COMMANDS = 64


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Scan" in plan["Node Type"]:
        yield plan
    for part in plan.get("Plans", []):
        yield from scans(part)


async def test_no_plan_probes_every_partition_for_each_row(database: str) -> None:
    ids = CountedIds()
    connection = await asyncpg.connect(database)
    logged: list[str] = []
    try:
        await connection.execute("LOAD 'auto_explain'")
        for setting in ("log_min_duration = 0", "log_nested_statements = on", "log_analyze = on", "log_format = json"):
            await connection.execute(f"SET auto_explain.{setting}")
        await connection.execute("SET client_min_messages = log")
        connection.add_log_listener(lambda _, message: logged.append(message.message))
        for _ in range(3):
            logged.clear()
            batch = [sealed(first(ids, ids.new_id(number % 4), key=str(ids.new_id(0)))) for number in range(COMMANDS)]
            await connection.fetch(APPEND, *arguments(batch))
    finally:
        await connection.close()
    plans = [json.loads(message.partition("plan:")[2]) for message in logged if "plan:" in message]
    (append,) = [plan["Plan"] for plan in plans if "INSERT INTO events" in plan["Query Text"]]
    probes: Counter[str] = Counter()
    for scan in scans(append):
        relation = scan.get("Relation Name", "")
        if relation.startswith("events_"):
            assert scan["Node Type"] == "Index Scan", scan["Node Type"]
            assert "Filter" not in scan, "the index answers the whole question"
            probes[relation] += scan["Actual Loops"]
    # Two questions a command (is its key taken, is its token fresh), each asked of its own partition.
    assert probes == {f"events_{shard:04}": 2 * COMMANDS // 4 for shard in range(4)}
