"""The posting oracle accepts a sound ledger, and each way of breaking the defences makes it speak."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from hypothesis import given

from projections.checkpoints import apply_to_live
from projections.ledger import Ledger, post, postings
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationExpired,
    CaptureReversed,
    Event,
    LateSuccessReceived,
    LateSuccessReversed,
    PspFeeAdjusted,
    RefundFailed,
    RefundReversed,
)
from schemas.events.psp import PspFee
from tests.oracles.ledger import TABLE, entries_of, faults_of_postings
from tests.projections.any_event import ANY_EVENT, sane
from tests.projections.events import DECLINE, an_id, available, pending, refund_requested, result
from tests.projections.history import History, as_record, worked_case, write_log

FEE = PspFee(amount=7, currency="EUR", status="known")
CAPTURE, REFUND = an_id(1, "capture", "first"), an_id(1, "refund", "again")


def eventful() -> History:
    """The worked case, and once every other event that posts."""
    slices = (pending("first", 100), available(20))
    events: list[Event] = [
        AuthorizationDeclined(result=result(), decline=DECLINE, psp_fee=FEE),
        AuthorizationExpired(amount_released=9, expires_at=1, confirmed_by="inquiry"),
        refund_requested("again", *slices),
        RefundFailed(result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=slices),
        RefundReversed(result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=slices),
        CaptureReversed(
            result=result(),
            capture_id=CAPTURE,
            amount=120,
            platform_fee_returned=4,
            psp_fee_returned=2,
            taken_from=slices,
            reason="chargeback",
        ),
        PspFeeAdjusted(result=result(), capture_id=CAPTURE, delta=-3, currency="EUR", status="known"),
        LateSuccessReceived(result=result(), kind="charge", amount=500, psp_fee=FEE, told_status="declined"),
        LateSuccessReversed(result=result(), via="refund", amount=500, psp_fee=None),
        LateSuccessReceived(result=result(), kind="hold", amount=500, psp_fee=FEE, told_status="declined"),
        LateSuccessReversed(result=result(), via="void", amount=500, psp_fee=None),
    ]
    return worked_case().add(*events)


async def apply(connection: Any, history: History) -> None:
    async with connection.transaction():
        await apply_to_live(connection, (Ledger(),), {history.shard: history.recorded})


@pytest.fixture
async def connection(database: str) -> Any:
    opened: Any = await asyncpg.connect(database, server_settings={"role": "guilder_projections"})
    await write_log(database, eventful().recorded)
    yield opened
    await opened.close()


async def test_a_sound_ledger_has_no_faults(database: str, connection: Any) -> None:
    await apply(connection, eventful())
    assert await faults_of_postings(database) == []


async def test_every_row_of_the_oracles_table_is_tried() -> None:
    tried = {type(recorded.event).__name__ for recorded in eventful().recorded}
    assert {name.partition("/")[0] for name in TABLE} == tried


async def test_a_ledger_that_is_behind_is_at_fault(database: str, connection: Any) -> None:
    history = eventful()
    del history.recorded[5:]
    await apply(connection, history)
    assert any("PaymentRefunded posts 0 to" in fault for fault in await faults_of_postings(database))


RULES = (
    *("hold", "release", "capture", "platform_fee", "psp_fee", "available"),
    *("funding", "refund", "restored", "fees", "late_charge", "late_refund"),
)


async def test_cutting_any_posting_rule_makes_it_speak(
    database: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = postings.RULES
    for generation, rule in enumerate(RULES, 2):

        def without_one(event: Event, recorded: Any, cut: str = rule) -> Iterator[Any]:
            return (posting for posting in whole[type(event)](event, recorded) if posting.rule != cut)

        monkeypatch.setattr(postings, "RULES", dict.fromkeys(whole, without_one))
        await connection.execute("SELECT create_ledger_generation($1)", generation)
        await connection.execute("UPDATE live SET generation = $1 WHERE projection = 'ledger'", generation)
        await apply(connection, eventful())
        assert await faults_of_postings(database), rule


async def test_one_defence_against_posting_twice_is_enough_and_without_both_it_speaks(
    database: str, connection: Any
) -> None:
    history, set_back = eventful(), "UPDATE checkpoints SET position = 4 WHERE projection = 'ledger'"
    await apply(connection, history)
    await apply(connection, history)
    assert await faults_of_postings(database) == []

    await connection.execute(set_back)
    with pytest.raises(asyncpg.UniqueViolationError):
        await apply(connection, history)
    assert await faults_of_postings(database) == []

    for table in ("transactions", "entries"):
        await connection.execute(f"ALTER TABLE ledger_1.{table} DROP CONSTRAINT {table}_pkey")
    await apply(connection, history)
    assert any("holds" in fault for fault in await faults_of_postings(database))


@given(ANY_EVENT)
def test_two_tables_written_apart_agree_on_any_event(event: Event) -> None:
    recorded = History().add(sane(event)).recorded[0]
    try:
        record = as_record(recorded)
    except (OverflowError, ValueError, TypeError):
        return  # a number or text that no frame can hold
    row = {field: getattr(record, field) for field in record.__struct_fields__}
    ours: dict[tuple[str, str], int] = {}
    for transaction in post(recorded):
        for line in transaction.lines:
            place = (transaction.currency, str(line.account))
            ours[place] = ours.get(place, 0) + line.amount
    theirs: dict[tuple[str, str], int] = {}
    for *_, currency, account, amount in entries_of(row):
        theirs[currency, account] = theirs.get((currency, account), 0) + amount
    assert {place: amount for place, amount in ours.items() if amount} == {
        place: amount for place, amount in theirs.items() if amount
    }
