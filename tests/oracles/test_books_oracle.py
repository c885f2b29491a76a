"""The ledger oracle, shown books that are wrong: posted twice with both defences gone, or not what the PSP did."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent import PaymentIntent
from processors.projector import Projector, open_pool
from projections import checkpoints
from projections.checkpoints import Checkpoint
from projections.ledger import Ledger
from projections.projection import Projection
from schemas.events import ManualCaseOpened
from schemas.records import Record, RecordedEvent
from tests.oracles.books import faults_against_psp, faults_of_books, faults_of_caps, read_books
from tests.projections.events import an_id
from tests.projections.history import History, Payment, as_record

NO_POSTING_KEYS = """
    ALTER TABLE ledger_1.entries DROP CONSTRAINT entries_pkey;
    ALTER TABLE ledger_1.transactions DROP CONSTRAINT transactions_pkey;
"""
PAID = Payment("paid")
HISTORY = History().add(*PAID.paid("order-1"), *PAID.refunding(2_500), stream="paid").recorded
RECORDS = {1: [as_record(recorded) for recorded in HISTORY]}


def fold(history: Sequence[RecordedEvent]) -> PaymentIntent:
    return reduce(payment_intent.evolve, history, payment_intent.initial())


async def post(dsn: str, *batches: Sequence[Record]) -> None:
    """Post to the ledger, batch by batch, as the projector does."""
    pool = await open_pool(dsn)
    try:
        projector = Projector(pool, [Ledger()])
        for batch in batches:
            await projector.handle(1, batch)
    finally:
        await pool.close()


async def faults(dsn: str) -> list[str]:
    return faults_of_books(await read_books(dsn), RECORDS, [fold(HISTORY)])


async def apply_all(
    connection: Any,
    projection: Projection,
    locked: Mapping[int, Checkpoint],
    logs: Mapping[int, Sequence[RecordedEvent]],
) -> dict[int, int]:
    """`apply_after` without its cut."""
    checkpoint = locked[1]
    await projection.apply(connection, checkpoint.schema, logs[1])
    reached = {1: logs[1][-1].position}
    await checkpoints.advance(connection, checkpoint, reached)
    return reached


async def drop_posting_keys(dsn: str) -> None:
    connection: Any = await asyncpg.connect(dsn)
    try:
        await connection.execute(NO_POSTING_KEYS)
    finally:
        await connection.close()


async def test_books_that_were_given_everything_twice_are_sound(database: str) -> None:
    await post(database, RECORDS[1][:6], RECORDS[1], RECORDS[1])
    assert await faults(database) == []


async def test_without_the_cut_the_posting_keys_hold(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "apply_after", apply_all)
    await post(database, RECORDS[1])
    with pytest.raises(asyncpg.UniqueViolationError):
        await post(database, RECORDS[1])
    assert await faults(database) == []


async def test_without_the_posting_keys_the_cut_holds(database: str) -> None:
    await drop_posting_keys(database)
    await post(database, RECORDS[1], RECORDS[1])
    assert await faults(database) == []


async def test_without_both_the_oracle_sees_it(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "apply_after", apply_all)
    await drop_posting_keys(database)
    await post(database, RECORDS[1], RECORDS[1])
    found = await faults(database)
    # Each transaction balances and so does the whole: only those who know what was paid see it.
    assert not any("is off by" in fault for fault in found)
    assert any("capture of event" in fault and "is posted 2 times" in fault for fault in found)
    assert any("psp_receivable: 14780, and the payments say 7390" in fault for fault in found)


async def test_books_that_lack_the_last_events_are_seen(database: str) -> None:
    await post(database, RECORDS[1][:-1])
    found = await faults(database)
    assert "shard 1 is posted up to 9 of 10" in found
    assert any("refund_in_transit: -2500, and the payments say 0" in fault for fault in found)


async def test_balances_that_are_not_the_sum_of_the_entries_are_seen(database: str) -> None:
    await post(database, RECORDS[1])
    connection: Any = await asyncpg.connect(database)
    try:
        await connection.execute("UPDATE ledger_1.balances SET debits = debits + 1 WHERE debits > credits")
    finally:
        await connection.close()
    found = await faults(database)
    assert any("trial balance 1 EUR False is off by" in fault for fault in found)
    assert any("its entries sum to" in fault for fault in found)


LOG = [
    {"operation": "payment", "reference": 1, "amount": 10_000, "currency": "EUR", "result": "authorized", "fee": 0},
    {"operation": "capture", "reference": 2, "amount": 10_000, "currency": "EUR", "result": "captured", "fee": 110},
    {"operation": "refund", "reference": 3, "amount": 2_500, "currency": "EUR", "result": "refunded", "fee": 0},
]
NAMED = [line | {"reference": str(PAID.id("attempt", int(str(line["reference"]))))} for line in LOG]
REVERSED = NAMED[2] | {"operation": "reversal", "result": "voided"}


@pytest.mark.parametrize(
    ("log", "fault"),
    [
        (NAMED, None),
        (NAMED[:2], "psp_receivable"),
        ([*NAMED, REVERSED], "psp_receivable"),
        ([NAMED[0], NAMED[1] | {"fee": 111}, NAMED[2]], "psp_fee"),
        ([*NAMED, NAMED[1] | {"reference": "unheard of"}], "unheard of"),
    ],
)
async def test_books_that_are_not_what_the_psp_did_are_seen(
    database: str, log: list[dict[str, Any]], fault: str | None
) -> None:
    await post(database, RECORDS[1])
    found = faults_against_psp(await read_books(database), RECORDS, [fold(HISTORY)], log)
    assert found == [] if fault is None else any(fault in each for each in found)


async def test_only_an_open_case_excuses_a_difference(database: str) -> None:
    attempt = PAID.id("attempt", 3)
    opened = ManualCaseOpened(case_id=an_id(1, "case"), attempt_id=attempt, exposure=2_500, reason="nobody knows")
    history = History().add(*PAID.paid(), *PAID.refunding(2_500)[:2], opened, stream="paid").recorded
    records = {1: [as_record(recorded) for recorded in history]}
    await post(database, records[1])
    books, intents = await read_books(database), [fold(history)]
    assert faults_of_books(books, records, intents) == []
    assert faults_against_psp(books, records, intents, NAMED) == []
    assert faults_against_psp(books, records, [fold(history[:-1])], NAMED) != []


def test_a_payment_past_its_caps_is_seen() -> None:
    sound = fold(HISTORY)
    assert faults_of_caps([sound]) == []
    (capture,), (refund,) = sound.captures.values(), sound.refunds.values()
    other = {an_id(1, "other"): replace(capture, amount=1)}
    assert "captured 10001" in faults_of_caps([replace(sound, captures={**sound.captures, **other})])[0]
    larger = {refund.id: replace(refund, amount=10_001)}
    assert "refunds 10001 of 10000" in faults_of_caps([replace(sound, refunds=larger)])[0]
