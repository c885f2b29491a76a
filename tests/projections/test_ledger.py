"""The ledger on a real PostgreSQL: applied once, insert-only, zero at every position."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from projections.checkpoints import PositionGap, apply_to_live, live_positions
from projections.ledger import Ledger
from schemas.records import RecordedEvent
from tests.projections.events import authorized, captured, lot_available
from tests.projections.history import History, worked_case

TABLES = ("accounts", "transactions", "entries", "balances")


async def apply(connection: Any, events: Sequence[RecordedEvent]) -> int:
    async with connection.transaction():
        shard = events[0].shard
        return (await apply_to_live(connection, (Ledger(),), {shard: events}))[shard]


async def counts(connection: Any) -> dict[str, int]:
    return {table: await connection.fetchval(f"SELECT count(*) FROM ledger_1.{table}") for table in TABLES}


async def balances(connection: Any) -> dict[str, int]:
    rows = await connection.fetch(
        "SELECT a.code, b.debits - b.credits AS balance FROM ledger_1.balances b JOIN ledger_1.accounts a USING (shard, account)"
    )
    return {row["code"]: row["balance"] for row in rows}


async def test_the_worked_case_ends_with_the_contracts_balances(connection: Any) -> None:
    assert await apply(connection, worked_case().recorded) == 8
    assert await balances(connection) == {
        "psp_receivable": 3901,
        "psp_fee": 99,
        "merchant_pending": 0,
        "merchant_available": -3709,
        "refund_in_transit": 0,
        "platform_fee": -291,
        "auth_hold": 0,
        "auth_contra": 0,
    }
    assert await counts(connection) == {"accounts": 8, "transactions": 14, "entries": 28, "balances": 8}
    assert await live_positions(connection, ["ledger"], [0, 1]) == {0: 0, 1: 8}


async def test_running_totals_say_what_an_account_held_after_each_entry(connection: Any) -> None:
    history = worked_case().recorded
    for event in history[:3]:  # one by one, then the rest at once: the totals do not depend on the batch
        await apply(connection, [event])
    await apply(connection, history[3:])
    rows = await connection.fetch(
        "SELECT e.debits - e.credits AS held, a.code FROM ledger_1.entries e JOIN ledger_1.accounts a USING (shard, account)"
        " ORDER BY e.position, e.line"
    )
    held: dict[str, list[int]] = {}
    for row in rows:
        held.setdefault(row["code"], []).append(row["held"])
    assert held["auth_hold"] == [10000, 4000, 1000, 0]
    assert held["merchant_pending"] == [-6000, -5796, -8796, -8709, -3709, -2913, 0]
    assert held["psp_receivable"] == [6000, 5934, 8934, 8901, 3901]


async def test_applying_again_changes_nothing(connection: Any) -> None:
    history = worked_case().recorded
    await apply(connection, history[:5])
    before = await counts(connection), await balances(connection)
    assert await apply(connection, history[:5]) == 5
    assert await apply(connection, history[2:4]) == 5
    assert (await counts(connection), await balances(connection)) == before
    assert await apply(connection, history[3:]) == 8
    assert (await counts(connection))["entries"] == 28


async def test_without_its_checkpoint_the_keys_still_refuse_a_second_posting(connection: Any) -> None:
    history = worked_case().recorded
    await apply(connection, history)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with connection.transaction():
            await Ledger().apply(connection, "ledger_1", history)
    assert (await counts(connection))["entries"] == 28


@pytest.mark.parametrize("missing", [0, 3])
async def test_a_gap_is_refused_and_leaves_nothing_behind(connection: Any, missing: int) -> None:
    history = worked_case().recorded
    with pytest.raises(PositionGap) as caught:
        await apply(connection, history[:missing] + history[missing + 1 :])
    assert (caught.value.shard, caught.value.expected, caught.value.got) == (1, missing + 1, missing + 2)
    assert await counts(connection) == dict.fromkeys(TABLES, 0)
    assert await live_positions(connection, ["ledger"], [1]) == {1: 0}


async def test_what_was_posted_is_never_changed(connection: Any) -> None:
    await apply(connection, worked_case().recorded)
    changes = [f"{verb} ledger_1.{table}" for verb in ("DELETE FROM", "TRUNCATE") for table in TABLES]
    # A balance alone moves: it follows the entries.
    changes += [f"UPDATE ledger_1.{table} SET shard = shard" for table in TABLES if table != "balances"]
    for change in changes:
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(change)


async def test_the_database_itself_refuses_a_transaction_that_is_off(connection: Any) -> None:
    await apply(connection, worked_case().recorded)
    with pytest.raises(asyncpg.CheckViolationError, match="is off by 1"):
        await connection.execute(
            "INSERT INTO ledger_1.entries (shard, position, line, transaction_line, account, amount, debits, credits,"
            " recorded_at, effective_at) SELECT shard, 99, line, 1, account, CASE line WHEN 1 THEN 10 ELSE -9 END, 0, 0, 0, 0"
            " FROM ledger_1.entries WHERE position = 1"
        )


async def test_each_shard_sums_to_zero_at_every_position(connection: Any) -> None:
    for shard in (1, 2):
        await apply(connection, worked_case(shard).recorded)
    sums = await connection.fetch(
        "SELECT sum(sum(amount)) OVER (PARTITION BY shard ORDER BY position) AS so_far FROM ledger_1.entries GROUP BY shard, position"
    )
    assert [row["so_far"] for row in sums] == [0] * 16


async def test_books_of_modes_currencies_merchants_and_shards_never_mix(connection: Any) -> None:
    histories = [
        History(1).add(captured("first", 100)),
        History(2, livemode=True).add(captured("first", 100)),
        History(3, currency="USD").add(captured("first", 100)),
        History(0, merchant="other").add(captured("first", 100)),
    ]
    for history in histories:
        await apply(connection, history.recorded)
    rows = await connection.fetch(
        "SELECT DISTINCT shard, livemode, currency FROM ledger_1.accounts WHERE code = 'merchant_pending'"
    )
    assert {tuple(row) for row in rows} == {(1, False, "EUR"), (2, True, "EUR"), (3, False, "USD"), (0, False, "EUR")}
    assert (await counts(connection))["accounts"] == 16


async def test_two_appliers_of_one_batch_post_it_once(connection: Any, database: str) -> None:
    history = worked_case().recorded
    other: Any = await asyncpg.connect(database, server_settings={"role": "guilder_projections"})
    try:
        async with connection.transaction():
            await apply_to_live(connection, (Ledger(),), {1: history})
            second = asyncio.create_task(apply(other, history))
            await asyncio.sleep(0.1)
            assert not second.done()
        assert await second == 8
    finally:
        await other.close()
    assert (await counts(connection))["entries"] == 28


async def test_times_of_knowledge_and_of_effect_are_both_kept(connection: Any) -> None:
    history = History().add(authorized(5), captured("first", 5), lot_available("first", 5))
    await apply(connection, history.recorded)
    rows = await connection.fetch("SELECT DISTINCT position, recorded_at - effective_at AS apart FROM ledger_1.entries")
    assert {row["apart"] for row in rows} == {250}
    assert len(rows) == 3
