"""A rebuilt read model is the live one, row for row, and takes its place without anyone missing an event."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from processors.patience import OUTAGES
from processors.rebuild import PostgresLog, Rebuild, RebuildDiffers, SourceStalled, generations, open_pool
from processors.rebuild import rebuild as rebuild_module
from processors.rebuild.generations import RebuildRunning, drop, only_one
from projections import PROJECTIONS
from projections.checkpoints import PositionGap
from projections.ledger import Ledger
from projections.payments import Payments
from projections.projection import Projection
from schemas.records import Record
from tests.conftest import TEST_SHARDS
from tests.processors.rebuild.conftest import Log
from tests.projections.history import Payment

LEDGER = Ledger()


def rebuild(log: Log, projection: Projection = LEDGER, **options: Any) -> Rebuild:
    source = options.pop("source", None) or PostgresLog(log.pool)
    return Rebuild(log.pool, projection, source, shards=TEST_SHARDS, **({"batch_events": 7} | options))


async def rows(log: Log, schema: str) -> dict[str, list[Any]]:
    return {
        table: [tuple(row) for row in await log.pool.fetch(f"SELECT * FROM {schema}.{table} ORDER BY 1, 2, 3")]
        for table in ("accounts", "transactions", "entries", "balances")
    }


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
async def test_the_rebuilt_generation_equals_the_live_one_and_replaces_it(log: Log, projection: Projection) -> None:
    told: list[tuple[int, int, int]] = []
    report = await rebuild(log, projection, progress=lambda *step: told.append(step)).run()
    assert (report.generation, report.replaced, report.equal, report.old_dropped) == (2, 1, True, True)
    assert report.events == sum(len(history.recorded) for history in log.histories.values())
    assert [(digest.shard, digest.position) for digest in report.digests] == [(0, 0), (1, 96), (2, 41), (3, 0)]
    assert await log.live(projection.name) == 2
    assert await log.generations(projection.name) == [f"{projection.name}_2"]
    assert {step for step in told if step[1] == step[2]} == {(0, 0, 0), (1, 96, 96), (2, 41, 41), (3, 0, 0)}
    assert (1, 7, 96) in told


async def test_every_row_is_the_same(log: Log) -> None:
    before = await rows(log, "ledger_1")
    await rebuild(log).run(keep_old=True)
    assert await rows(log, "ledger_2") == before == await rows(log, "ledger_1")
    assert len(before["entries"]) > 100


async def test_the_projector_goes_on_in_the_new_generation(log: Log) -> None:
    await rebuild(log).run()
    history = log.histories[1].add(*Payment("after").paid(), stream="after")
    await log.write(history, apply=False)
    assert await log.apply(1, history.recorded[-7:]) == len(history.recorded)
    assert await log.pool.fetchval("SELECT max(position) FROM ledger_2.entries WHERE shard = 1") == len(
        history.recorded
    )


async def test_the_live_one_goes_on_while_it_is_rebuilt(log: Log) -> None:
    """Payments are posted all through the rebuild; the two are still equal, and nothing is lost at the switch."""
    going_on = True

    async def pay() -> int:
        number = 0
        while going_on:
            number += 1
            name = f"meanwhile {number}"
            history = log.histories[1].add(*Payment(name).paid(), stream=name)
            await log.write(history, apply=False)
            await log.apply(1, history.recorded[-7:])
            await asyncio.sleep(0)
        return number

    paying = asyncio.create_task(pay())
    reports = [await rebuild(log).run(), await rebuild(log, Payments()).run(), await rebuild(log).run()]
    going_on = False
    paid = await paying
    assert paid > 10
    assert [report.equal for report in reports] == [True] * 3
    assert await log.live() == 3
    assert await log.generations() == ["ledger_3"]
    entries = await log.pool.fetchval("SELECT count(*) FROM ledger_3.entries WHERE shard = 1")
    expected = (12 + paid) * 10 + 4 * 4
    assert entries == expected
    assert (await rebuild(log).run()).equal


DAMAGES = {
    "balances": """
        UPDATE ledger_1.balances SET debits = debits + 1
        WHERE shard = 2 AND account = (SELECT min(account::text)::uuid FROM ledger_1.balances WHERE shard = 2)
    """,
    "entries": """
        ALTER TABLE ledger_1.entries DISABLE TRIGGER ALL;
        DELETE FROM ledger_1.entries WHERE shard = 2 AND position = 4
    """,
    "transactions": """
        ALTER TABLE ledger_1.transactions DISABLE TRIGGER ALL;
        UPDATE ledger_1.transactions SET rule = 'other' WHERE shard = 2 AND position = 4
    """,
}


@pytest.mark.parametrize("table", DAMAGES)
async def test_a_live_ledger_that_is_not_what_the_log_says_is_found_out(log: Log, table: str) -> None:
    owner: Any = await asyncpg.connect(log.dsn)
    await owner.execute(DAMAGES[table])
    await owner.close()
    with pytest.raises(RebuildDiffers) as caught:
        await rebuild(log).run()
    assert caught.value.differing == {2: [table]}
    assert await log.live() == 1
    assert await log.generations() == ["ledger_1", "ledger_2"]

    report = await rebuild(log).run(accept_differences=True)
    assert (report.equal, report.generation, await log.live()) == (False, 2, 2)
    assert (await rebuild(log).run()).equal


async def test_one_rebuild_at_a_time(log: Log) -> None:
    async with log.pool.acquire() as connection, only_one(connection, "ledger"):
        with pytest.raises(RebuildRunning):
            await rebuild(log).run()
    assert await log.generations() == ["ledger_1"]
    assert (await rebuild(log).run()).equal


async def test_whoever_cleans_up_too_late_does_not_drop_what_is_live(log: Log) -> None:
    assert (await rebuild(log).run()).equal
    async with log.pool.acquire() as connection:
        await drop(connection, "ledger", 2)
    assert await log.generations() == ["ledger_2"]
    assert (await rebuild(log).run()).equal


async def test_what_a_killed_rebuild_left_is_cleared_away(log: Log) -> None:
    await log.pool.execute("SELECT create_ledger_generation(2)")
    await log.pool.execute("INSERT INTO checkpoints VALUES ('ledger', 2, 1, 33)")
    assert (await rebuild(log).run()).equal
    assert await log.live() == 2


class Broken:
    """A source that lacks one record in the middle, or everything past a position."""

    def __init__(self, log: Log, *, without: int = 0, ends_at: int = 1 << 62) -> None:
        self._whole = PostgresLog(log.pool)
        self._without = without
        self._ends_at = ends_at

    async def read(self, shard: int, after: int, until: int, limit: int) -> list[Record]:
        found = await self._whole.read(shard, after, until, limit)
        return [record for record in found if record.position != self._without and record.position <= self._ends_at]


async def test_a_log_with_a_hole_builds_nothing(log: Log) -> None:
    with pytest.raises(PositionGap):
        await rebuild(log, source=Broken(log, without=40)).run()
    assert await log.generations() == ["ledger_1"]
    assert await log.live() == 1
    assert await log.pool.fetchval("SELECT count(*) FROM checkpoints WHERE generation = 2") == 0


async def test_a_log_shorter_than_the_live_ledger_builds_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild_module, "STALLED_AFTER_S", 0.2)
    with pytest.raises(SourceStalled):
        await rebuild(log, source=Broken(log, ends_at=30)).run()
    assert await log.generations() == ["ledger_1"]


async def switched(log: Log) -> None:
    while await log.live() == 1:  # noqa: ASYNC110 - the switch is a row of the database, not an event of this process
        await asyncio.sleep(0.02)


async def test_a_reader_of_the_old_generation_ends_its_read_first(log: Log) -> None:
    async with log.pool.acquire() as reader:
        transaction = reader.transaction(isolation="repeatable_read", readonly=True)
        await transaction.start()
        assert await reader.fetchval("SELECT generation FROM live WHERE projection = 'ledger'") == 1
        rebuilding = asyncio.create_task(rebuild(log).run())
        await asyncio.wait_for(switched(log), 30)
        assert await reader.fetchval("SELECT count(*) FROM ledger_1.entries") > 0
        assert not rebuilding.done()
        await transaction.rollback()
    assert (await rebuilding).old_dropped


async def test_an_empty_log_makes_an_empty_ledger(database: str) -> None:
    pool = await open_pool(database)
    try:
        report = await rebuild(Log(database, pool)).run()
    finally:
        await pool.close()
    assert (report.events, report.equal, [digest.position for digest in report.digests]) == (0, True, [0, 0, 0, 0])


@pytest.mark.parametrize("held", ["compared", "switched"])
async def test_a_rebuild_that_stands_still_gives_up_what_the_projector_waits_for(
    log: Log, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """As one that was stopped at its terminal, or whose machine is gone: its locks would outlast it by hours."""
    monkeypatch.setattr(generations, "_HELD_AT_MOST_S", 0.5)
    still, on = asyncio.Event(), asyncio.Event()
    passed_over = [] if held == "compared" else ["compared"]
    catch_up = Rebuild._catch_up

    async def standing_still(self: Rebuild, blue: int, green: int, shard: int, *, goal: int | None = None) -> None:
        if shard == 1 and goal is not None:
            if passed_over:
                passed_over.pop()
            else:
                still.set()
                await on.wait()
        await catch_up(self, blue, green, shard, goal=goal)

    monkeypatch.setattr(Rebuild, "_catch_up", standing_still)
    rebuilding = asyncio.create_task(rebuild(log).run())
    await asyncio.wait_for(still.wait(), 30)
    history = log.histories[1].add(*Payment("meanwhile").paid(), stream="meanwhile")
    await asyncio.wait_for(log.write(history), 10)
    on.set()
    with pytest.raises(OUTAGES):
        await rebuilding
    assert await log.live() == 1
    assert (await rebuild(log).run()).equal


class CutOff(PostgresLog):
    """A source at whose first read every connection of the rebuild is lost, as when PostgreSQL is killed."""

    def __init__(self, log: Log) -> None:
        super().__init__(log.pool)
        self._dsn = log.dsn

    async def read(self, shard: int, after: int, until: int, limit: int) -> Sequence[Record]:
        killer = await asyncpg.connect(self._dsn)
        try:
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'guilder-rebuild'"
            )
        finally:
            await killer.close()
        return await super().read(shard, after, until, limit)


async def test_a_server_that_is_lost_is_what_a_rebuild_fails_with(log: Log) -> None:
    """And not what cleaning up without a connection comes to."""
    # Whichever of these the driver takes the loss for; the last between two statements of a transaction.
    lost = (
        asyncpg.PostgresConnectionError,
        asyncpg.AdminShutdownError,
        asyncpg.InternalClientError,
        asyncpg.InterfaceError,
    )
    with pytest.raises(lost) as told:
        await rebuild(log, source=CutOff(log)).run()
    assert not isinstance(told.value, asyncpg.InterfaceError) or "Transaction" in str(told.value)
    assert await log.live() == 1
    report = await rebuild(log).run()
    assert (report.generation, report.equal) == (2, True)
    assert await log.generations() == ["ledger_2"]
