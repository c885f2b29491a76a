"""What waits behind the log, read from the tables of a real PostgreSQL, and as the gauges of each process."""

import math
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bootstrap.telemetry.backlog_gauges import BacklogGauges
from bootstrap.telemetry.exposition import Exposition
from processors.backlog import FOLLOWERS, Backlog, Behind, Follower, backlog
from tests.conftest import TEST_SHARDS
from tests.contract.tcp_proxy import proxied
from tests.processors.log_writer import AT_MS, append

HOUR_MS = 3_600_000


async def stand(dsn: str) -> None:
    """Ten events in shard 1: relayed to 7, projected to 4 by the slower read model, scheduled to 10."""
    await append(dsn, 1, 10)
    connection: Any = await asyncpg.connect(dsn)
    try:
        now: int = await connection.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        await connection.execute(
            "INSERT INTO relay_checkpoints (shard, position, kafka_offset, event_id) VALUES (1, 7, 6, $1)", UUID(int=1)
        )
        await connection.execute(
            "INSERT INTO checkpoints VALUES ('ledger', 1, 1, 4), ('payments', 1, 1, 6), ('payment_saga', 1, 1, 10)"
        )
        await connection.execute("INSERT INTO halted_shards VALUES ('projector', 1, 5, 'it would not', $1)", now)
        for number, (kind, ready_at, leased_by, error) in enumerate(
            [
                ("call", now + 9_000, "saga-1", None),
                ("call", now - 9_000, None, None),
                ("call", now - 8_000, "saga-of-yore", None),
                ("inquiry", now + 9_000, None, "ValueError"),
                ("expiry", now + 9_000_000, None, None),
            ]
        ):
            await connection.execute(
                "INSERT INTO steps (subject, kind, try, round, shard, stream_id, operation_id, cause_id, due_at,"
                " ready_at, leased_by, error) VALUES ($1, $2, 1, 1, 1, $1, $1, $1, $3, $3, $4, $5)",
                UUID(int=number + 1),
                kind,
                ready_at,
                leased_by,
                error,
            )
        for number, age_ms, closed_at in ((1, 60_000, None), (2, 30 * HOUR_MS, None), (3, 900 * HOUR_MS, now)):
            await connection.execute(
                "INSERT INTO saga_cases (case_id, shard, position, stream_id, attempt_id, event_id, exposure, currency,"
                " reason, opened_at, closed_at) VALUES ($1, 1, 1, $1, $1, $1, 100, 'EUR', 'silence', $2, $3)",
                UUID(int=number),
                now - age_ms,
                closed_at,
            )
    finally:
        await connection.close()


async def seen(dsn: str) -> Backlog:
    connection: Any = await asyncpg.connect(dsn, server_settings={"role": "guilder_app"})
    try:
        return await backlog(connection)
    finally:
        await connection.close()


async def metrics(dsn: str, follower: Follower) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return await told_by(BacklogGauges(dsn, follower))


async def told_by(gauges: BacklogGauges) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = (await Exposition(refreshes=[gauges.refresh], registry=gauges.registry).text()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_nothing_waits_in_a_new_installation(database: str) -> None:
    found = await seen(database)
    assert found.behind == [
        Behind(follower=follower, shard=shard, head=0, position=0, waiting_since=None)
        for follower in sorted(FOLLOWERS)
        for shard in range(TEST_SHARDS)
    ]
    assert (found.halted, found.steps, found.cases) == ([], [], [])


async def test_it_tells_where_each_follower_is_and_since_when_its_next_event_waits(database: str) -> None:
    await stand(database)
    found = await seen(database)
    in_shard_1 = {each.follower: each for each in found.behind if each.shard == 1}
    assert {name: (each.events, each.waiting_since) for name, each in in_shard_1.items()} == {
        "relay": (3, AT_MS + 8),
        "projector": (6, AT_MS + 5),
        "payment_saga": (0, None),
    }
    assert in_shard_1["relay"].seconds(AT_MS + 5_008) == 5
    assert {(each.kind, each.state): each.steps for each in found.steps} == {
        ("call", "under_way"): 1,
        ("call", "due"): 2,
        ("inquiry", "failed"): 1,
        ("expiry", "waiting"): 1,
    }
    assert [(each.projection, each.shard, each.position, each.reason) for each in found.halted] == [
        ("projector", 1, 5, "it would not")
    ]
    assert len(found.cases) == 2


async def test_each_process_shows_its_own(database: str) -> None:
    await stand(database)
    relay = await metrics(database, "relay")
    assert relay[key("guilder_log_lag_events", follower="relay", shard="1")] == 3
    assert relay[key("outbox_lag_seconds")] == relay[key("guilder_log_lag_seconds", follower="relay", shard="1")] > 5
    assert relay[key("guilder_backlog_readable")] == 1

    projector = await metrics(database, "projector")
    assert projector[key("guilder_log_lag_events", follower="projector", shard="1")] == 6
    assert projector[key("guilder_halted_shards", follower="projector")] == 1

    saga = await metrics(database, "payment_saga")
    assert saga[key("guilder_halted_shards", follower="payment_saga")] == 0
    assert [saga[key("guilder_open_cases", age=age)] for age in ("under_1h", "under_1d", "under_7d")] == [1, 0, 1]
    assert 30 * 3_600 <= saga[key("guilder_open_case_oldest_seconds")] < 31 * 3_600
    assert saga[key("guilder_open_steps", kind="call", state="due")] == 2


@pytest.mark.parametrize("follower", FOLLOWERS)
async def test_without_postgresql_it_says_so_and_tells_no_lag_that_it_knew_before(
    database: str, follower: Follower
) -> None:
    await stand(database)
    async with proxied(database) as (proxy, dsn):
        gauges = BacklogGauges(dsn, follower)
        before = await told_by(gauges)
        proxy.refuse = True
        told = await told_by(gauges)
    figures = ("guilder_log_lag", "guilder_open_cases", "guilder_open_steps", "guilder_halted_shards")
    assert any(name.startswith(figures) for name, _ in before)
    assert told[key("guilder_backlog_readable")] == 0
    assert not any(name.startswith(figures) for name, _ in told)
    for ages in ("outbox_lag_seconds", "guilder_open_case_oldest_seconds"):
        assert math.isnan(told.get(key(ages), math.nan))
