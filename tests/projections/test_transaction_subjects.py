"""What a transaction of the ledger names: the one it takes back, and what its money belongs to."""

import pytest

from projections.ledger import post
from schemas.events import AuthorizationDeclined, Event
from tests.projections.events import (
    CAPTURE,
    DECLINE,
    FEE,
    REFUND,
    an_id,
    authorized,
    available,
    captured,
    failed_refund,
    fee_adjusted,
    late,
    lot_available,
    pending,
    refund_requested,
    refunded,
    result,
    reversed_capture,
    reversed_refund,
    undone,
    voided,
)
from tests.projections.history import History


@pytest.mark.parametrize(
    ("event", "rule", "reverses", "subject"),
    [
        (failed_refund(), "restored", "funding", REFUND),
        (reversed_refund(), "restored", "refund", REFUND),
        (reversed_capture(), "capture", "capture", CAPTURE),
        (undone("refund"), "late_refund", "late_charge", result().operation_id),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_a_reversal_names_what_it_takes_back(event: Event, rule: str, reverses: str, subject: object) -> None:
    first = post(History().add(event).recorded[0])[0]
    assert (first.rule, first.reverses, first.subject) == (rule, reverses, subject)


def test_the_transaction_taken_back_has_that_rule_and_subject() -> None:
    history = History().add(
        captured("first", 6000),
        refund_requested("refund", pending("first", 120)),
        refunded("refund", 120),
        late("charge"),
    )
    made = {(t.rule, t.subject) for recorded in history.recorded for t in post(recorded)}
    taken_back: list[Event] = [failed_refund(), reversed_refund(), reversed_capture(), undone("refund")]
    for recorded in History().add(*taken_back).recorded:
        for transaction in post(recorded):
            assert (transaction.reverses, transaction.subject) in made


@pytest.mark.parametrize(
    ("platform_fee", "psp_fee", "taken_back"), [(204, 66, "platform_fee"), (204, 0, "platform_fee"), (0, 66, "psp_fee")]
)
def test_fees_that_go_back_name_the_fee_that_was_booked(platform_fee: int, psp_fee: int, taken_back: str) -> None:
    charged = captured("first", 6000, fixed=platform_fee, psp_fee=psp_fee)
    back = reversed_capture(platform_fee_returned=platform_fee, psp_fee_returned=psp_fee)
    booking, reversal = History().add(charged, back).recorded
    [fees] = [transaction for transaction in post(reversal) if transaction.rule == "fees"]
    assert fees.reverses == taken_back
    assert (taken_back, fees.subject) in {(transaction.rule, transaction.subject) for transaction in post(booking)}


OPERATION, INTENT = result().operation_id, an_id(1, "intent")


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (authorized(10), INTENT),
        (voided(9), INTENT),
        (captured("first", 6000, fixed=204, psp_fee=66), CAPTURE),
        (lot_available("first", 796), CAPTURE),
        (fee_adjusted(5), CAPTURE),
        (reversed_capture(platform_fee_returned=204, psp_fee_returned=66), CAPTURE),
        (refund_requested("refund", available(20)), REFUND),
        (refunded("refund", 170, fee=25, returned=5, psp_fee=3), REFUND),
        (late("charge", FEE), OPERATION),
        (undone("refund", FEE), OPERATION),
        (AuthorizationDeclined(result=result(), decline=DECLINE, psp_fee=FEE), OPERATION),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_each_transaction_names_what_its_money_belongs_to(event: Event, subject: object) -> None:
    recorded = History().add(event).recorded[0]
    assert {(transaction.subject, transaction.event_id) for transaction in post(recorded)} == {
        (subject, recorded.event_id)
    }
