"""The plans of the hot statements: one index probe a question, in one partition, however small the tables were."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest

from event_store.appends import Sealed, sealed
from event_store.batch import APPEND, arguments
from event_store.connections import PROBES
from event_store.store import READ
from event_store.streams import BY_KEY, TAILS
from tests.contract.samples import CountedIds, first

COMMANDS = 64

Explain = Callable[..., Awaitable[list[dict[str, Any]]]]


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Scan" in plan["Node Type"]:
        yield plan
    for part in plan.get("Plans", []):
        yield from scans(part)


def probes(plan: dict[str, Any]) -> Counter[str]:
    """How often each partition was asked, by an index that answers the whole question."""
    asked: Counter[str] = Counter()
    for scan in scans(plan):
        relation = scan.get("Relation Name", "")
        if relation.startswith("events_"):
            assert scan["Node Type"] == "Index Scan", scan["Node Type"]
            assert "Filter" not in scan
            asked[relation] += scan["Actual Loops"]
    return +asked


@pytest.fixture
def batch() -> list[Sealed]:
    ids = CountedIds()
    return [sealed(first(ids, ids.new_id(number % 4), key=str(number))) for number in range(COMMANDS)]


@pytest.fixture
async def explain(database: str) -> AsyncIterator[Explain]:
    """Runs a statement and gives the plans of everything that ran in it."""
    connection = await asyncpg.connect(database, server_settings=PROBES)
    logged: list[str] = []

    async def run(statement: str, *values: Any) -> list[dict[str, Any]]:
        # Of tables this small the planner knows that reading them whole is cheap; it must not, since they grow.
        await connection.execute("VACUUM (ANALYZE) events")
        prepared = await connection.prepare(statement)  # the driver looks up types with queries of its own
        logged.clear()
        await prepared.fetch(*values)
        return [json.loads(message.partition("plan:")[2]) for message in logged if "plan:" in message]

    await connection.execute("LOAD 'auto_explain'")
    for setting in ("log_min_duration = 0", "log_nested_statements = on", "log_analyze = on", "log_format = json"):
        await connection.execute(f"SET auto_explain.{setting}")
    await connection.execute("SET client_min_messages = log")
    connection.add_log_listener(lambda _, message: logged.append(message.message))
    yield run
    await connection.close()


async def test_the_append_asks_each_partition_for_its_own_commands_only(explain: Explain, batch: list[Sealed]) -> None:
    for _ in range(2):  # the second time every key is taken
        plans = await explain(APPEND, *arguments(batch))
        (append,) = [plan["Plan"] for plan in plans if "INSERT INTO events" in plan["Query Text"]]
        # Two questions a command: is its key taken, is its token fresh.
        assert probes(append) == {f"events_{shard:04}": 2 * COMMANDS // 4 for shard in range(4)}


async def test_a_load_asks_each_partition_for_its_own_streams_only(explain: Explain, batch: list[Sealed]) -> None:
    await explain(APPEND, *arguments(batch))
    streams = [one.append.stream_id for one in batch]
    (plan,) = await explain(TAILS, [one.shard for one in batch], streams, [0] * COMMANDS)
    assert probes(plan["Plan"]) == {f"events_{shard:04}": COMMANDS // 4 for shard in range(4)}


async def test_a_key_is_looked_for_in_one_partition(explain: Explain, batch: list[Sealed]) -> None:
    await explain(APPEND, *arguments(batch))
    (plan,) = await explain(BY_KEY, [one.shard for one in batch], [one.append.command_key for one in batch])
    assert probes(plan["Plan"]) == {f"events_{shard:04}": COMMANDS // 4 for shard in range(4)}


async def test_a_page_of_the_log_is_one_partitions(explain: Explain, batch: list[Sealed]) -> None:
    await explain(APPEND, *arguments(batch))
    (plan,) = await explain(READ, 2, 3, 5)
    assert probes(plan["Plan"]) == {"events_0002": 1}
