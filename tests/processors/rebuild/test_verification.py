"""Verifying the ledger finds nothing in a sound one, and each kind of damage in a damaged one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from processors.rebuild import NothingLive, PostgresLog, Rebuild, verify_ledger
from processors.rebuild import verification as verification_module
from projections.ledger import Ledger
from tests.conftest import TEST_SHARDS
from tests.processors.rebuild.conftest import Log

BALANCES = "ALTER TABLE ledger_1.balances DISABLE TRIGGER ALL;"
ENTRIES = "ALTER TABLE ledger_1.entries DISABLE TRIGGER ALL;"
TRANSACTIONS = "ALTER TABLE ledger_1.transactions DISABLE TRIGGER ALL;"
ACCOUNTS = "ALTER TABLE ledger_1.accounts DISABLE TRIGGER ALL;"
HERE = "WHERE shard = 2 AND position = 7"
DAMAGES = {
    "a cent more in one entry": (
        f"{ENTRIES} UPDATE ledger_1.entries SET amount = amount + 1 {HERE} AND line = 3",
        {
            "a transaction sums to zero",
            "running totals add up",
            "a balance is what its last entry left",
            "an entry is what its event says",
        },
    ),
    "a transaction posted twice": (
        f"""{ENTRIES} INSERT INTO ledger_1.entries SELECT shard, position, line + 100, transaction_line, account, amount,
        debits, credits, recorded_at, effective_at FROM ledger_1.entries {HERE}""",
        {"running totals add up", "a balance is what its last entry left", "an entry is what its event says"},
    ),
    "a transaction lost": (
        f"{ENTRIES} DELETE FROM ledger_1.entries {HERE} AND transaction_line = 3",
        {
            "a transaction has entries",
            "an account is opened by its first entry",
            "running totals add up",
            "a balance is what its last entry left",
            "an entry is what its event says",
        },
    ),
    "both sides the other way round": (
        f"{ENTRIES} UPDATE ledger_1.entries SET amount = -amount {HERE} AND transaction_line = 3",
        {"running totals add up", "a balance is what its last entry left", "an entry is what its event says"},
    ),
    "a rule renamed": (
        f"{TRANSACTIONS} UPDATE ledger_1.transactions SET rule = 'other' {HERE} AND line = 3",
        {"an entry is what its event says"},
    ),
    "a transaction recorded at another time": (
        f"{TRANSACTIONS} UPDATE ledger_1.transactions SET recorded_at = recorded_at - 1 {HERE} AND line = 3",
        {"an entry is what its event says"},
    ),
    "a transaction that took effect at another time": (
        f"{TRANSACTIONS} UPDATE ledger_1.transactions SET effective_at = effective_at - 1 {HERE} AND line = 3",
        {"an entry is what its event says"},
    ),
    "another currency": (
        f"{TRANSACTIONS} UPDATE ledger_1.transactions SET currency = 'USD' {HERE} AND line = 3",
        {"a transaction is in one currency and mode", "an entry is what its event says"},
    ),
    "a balance moved": (
        f"""{BALANCES} UPDATE ledger_1.balances SET debits = debits + 5 WHERE shard = 2 AND account =
        (SELECT account FROM ledger_1.accounts WHERE shard = 2 AND code = 'psp_fee')""",
        {"the trial balance is zero", "a balance is what its last entry left"},
    ),
    "an account of another party": (
        f"{ACCOUNTS} UPDATE ledger_1.accounts SET party = 'other' WHERE shard = 2 AND code = 'psp_receivable'",
        {"an entry is what its event says"},
    ),
    "an account out of nowhere": (
        "INSERT INTO ledger_1.accounts VALUES (2, gen_random_uuid(), false, 'EUR', 'suspense', 'other', 3, 9)",
        {"an account is opened by its first entry"},
    ),
    "a checkpoint set back": (
        "UPDATE checkpoints SET position = 30 WHERE projection = 'ledger' AND shard = 2",
        {"nothing is posted past the checkpoint"},
    ),
    "a transaction before the log, with all its traces": (
        f"""{ENTRIES} {TRANSACTIONS} {ACCOUNTS} {BALANCES}
        INSERT INTO ledger_1.transactions SELECT shard, 0, 1, event_id, event_type, rule, livemode, currency, merchant_id,
            stream_id, subject, reverses, recorded_at, effective_at FROM ledger_1.transactions {HERE} AND line = 3;
        INSERT INTO ledger_1.entries SELECT shard, 0, line - 2, 1, account, amount, greatest(amount, 0), greatest(-amount, 0),
            recorded_at, effective_at FROM ledger_1.entries {HERE} AND transaction_line = 3;
        UPDATE ledger_1.entries e SET debits = e.debits + n.debits, credits = e.credits + n.credits
            FROM ledger_1.entries n WHERE n.position = 0 AND e.position > 0 AND e.shard = 2 AND e.account = n.account;
        UPDATE ledger_1.balances b SET debits = b.debits + n.debits, credits = b.credits + n.credits
            FROM ledger_1.entries n WHERE n.position = 0 AND b.shard = 2 AND b.account = n.account;
        UPDATE ledger_1.accounts a SET position = 0, line = n.line
            FROM ledger_1.entries n WHERE n.position = 0 AND a.shard = 2 AND a.account = n.account""",
        {"nothing is posted before the log"},
    ),
    "a checkpoint past the log": (
        "UPDATE checkpoints SET position = 60 WHERE projection = 'ledger' AND shard = 2",
        {"the ledger follows the log"},
    ),
}


async def test_a_sound_ledger_has_no_findings(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification_module, "BATCH_EVENTS", 10)
    told: list[tuple[int, int, int]] = []
    found = await verify_ledger(log.pool, shards=TEST_SHARDS, progress=lambda *step: told.append(step))
    assert found.findings == ()
    assert found.generation == 1
    assert found.events == sum(len(history.recorded) for history in log.histories.values())
    assert found.entries == await log.pool.fetchval("SELECT count(*) FROM ledger_1.entries")
    assert (1, 10, 96) in told
    assert (2, 41, 41) in told

    report = await Rebuild(log.pool, Ledger(), PostgresLog(log.pool), shards=TEST_SHARDS).run()
    again = await verify_ledger(log.pool, shards=TEST_SHARDS)
    assert (again.generation, again.findings) == (2, ())
    assert [d.whole for d in again.digests] == [d.whole for d in found.digests] == [d.whole for d in report.digests]
    assert len({digest.whole for digest in found.digests}) == TEST_SHARDS


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_found_and_named(log: Log, damage: str) -> None:
    statement, rules = DAMAGES[damage]
    owner: Any = await asyncpg.connect(log.dsn)
    await owner.execute(statement)
    await owner.close()
    found = await verify_ledger(log.pool, shards=TEST_SHARDS)
    assert {finding.rule for finding in found.findings} == rules
    assert {finding.shard for finding in found.findings} == {2}


async def test_what_differs_is_said(log: Log) -> None:
    owner: Any = await asyncpg.connect(log.dsn)
    await owner.execute(f"{TRANSACTIONS} UPDATE ledger_1.transactions SET rule = 'other' {HERE} AND line = 3")
    await owner.close()
    details = [finding.detail for finding in (await verify_ledger(log.pool, shards=TEST_SHARDS)).findings]
    assert details == [f"2:7:{line} rule is other, by its event capture" for line in (3, 4)]


async def test_books_of_a_shard_that_is_not_are_found(log: Log) -> None:
    owner: Any = await asyncpg.connect(log.dsn)
    await owner.execute(
        "INSERT INTO ledger_1.balances SELECT 99, account, position, debits, credits FROM ledger_1.balances"
    )
    await owner.close()
    findings = (await verify_ledger(log.pool, shards=TEST_SHARDS)).findings
    assert [(each.shard, each.rule, each.detail) for each in findings] == [
        (99, "only shards that are have books", "balances")
    ]


@pytest.mark.parametrize("damage", ["UPDATE live SET generation = 9", "DELETE FROM live"])
async def test_no_live_ledger_is_no_ledger_to_verify(log: Log, damage: str) -> None:
    await log.pool.execute(damage)
    with pytest.raises(NothingLive):
        await verify_ledger(log.pool, shards=TEST_SHARDS)


async def test_a_rebuild_may_switch_over_meanwhile(log: Log) -> None:
    begun, switched = asyncio.Event(), asyncio.Event()

    class Paused:
        """A connection that waits before its second transaction until a rebuild has dropped the generation before."""

        def __init__(self, connection: Any) -> None:
            self._connection = connection
            self._transactions = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

        @asynccontextmanager
        async def transaction(self, **options: Any) -> AsyncIterator[None]:
            self._transactions += 1
            if self._transactions == 2:
                begun.set()
                await switched.wait()
            async with self._connection.transaction(**options):
                yield

    class Pool:
        @asynccontextmanager
        async def acquire(self) -> AsyncIterator[Any]:
            async with log.pool.acquire() as connection:
                yield Paused(connection)

    verifying = asyncio.create_task(verify_ledger(Pool(), shards=TEST_SHARDS))
    await asyncio.wait_for(begun.wait(), 30)
    await Rebuild(log.pool, Ledger(), PostgresLog(log.pool), shards=TEST_SHARDS).run()
    assert await log.generations() == ["ledger_2"]
    switched.set()
    found = await verifying
    assert (found.generation, found.findings) == (2, ())
