"""Each row of the posting table, and what holds for every event that was ever written."""

from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projections.ledger import Ledger, LedgerTransaction, Line, post
from projections.ledger.accounts import AUTH_HOLD, PLATFORM_FEE, PSP_FEE, Account
from projections.ledger.postings import POSTS_NOTHING, RULES
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationExpired,
    CancellationFailed,
    CaptureFailed,
    CaptureReversed,
    Event,
    LateSuccessReceived,
    LateSuccessReversed,
    PaymentCanceled,
    PspFeeAdjusted,
    RefundFailed,
    RefundReversed,
)
from schemas.events.psp import PspFee
from tests.projections.history import (
    DECLINE,
    History,
    an_id,
    authorized,
    available,
    captured,
    lot_available,
    pending,
    refund_requested,
    refunded,
    result,
    voided,
)

CAPTURE, REFUND = an_id(1, "capture", "first"), an_id(1, "refund", "refund")
FEE = PspFee(amount=7, currency="EUR", status="known")


def booked(event: Event) -> dict[str, dict[str, int]]:
    """`{rule: {account: Dr − Cr}}`, the merchant's name left out."""
    recorded = History().add(event).recorded[0]
    books: dict[str, dict[str, int]] = {}
    for transaction in post(recorded):
        assert transaction.rule not in books
        lines = books[transaction.rule] = {}
        for line in transaction.lines:
            name = line.account.code if line.account.code.startswith("merchant_") else str(line.account)
            lines[name] = lines.get(name, 0) + line.amount
    return books


def reversed_capture(*, platform_fee_returned: int = 0, psp_fee_returned: int = 0) -> CaptureReversed:
    return CaptureReversed(
        result=result(),
        capture_id=CAPTURE,
        amount=6000,
        platform_fee_returned=platform_fee_returned,
        psp_fee_returned=psp_fee_returned,
        taken_from=(pending("first", 5796), available(204)),
        reason="chargeback",
    )


def late(kind: str, fee: PspFee | None = None) -> LateSuccessReceived:
    return LateSuccessReceived(result=result(), kind=kind, amount=500, psp_fee=fee, told_status="declined")  # type: ignore[arg-type]


def undone(via: str, fee: PspFee | None = None) -> LateSuccessReversed:
    return LateSuccessReversed(result=result(), via=via, amount=500, psp_fee=fee)  # type: ignore[arg-type]


def fee_adjusted(delta: int) -> PspFeeAdjusted:
    return PspFeeAdjusted(result=result(), capture_id=CAPTURE, delta=delta, currency="EUR", status="known")


def failed_refund() -> RefundFailed:
    restored = (pending("first", 100), available(20))
    return RefundFailed(result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=restored)


def reversed_refund() -> RefundReversed:
    restored = (pending("first", 100), available(20))
    return RefundReversed(result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=restored)


RECEIVABLE, TRANSIT, SUSPENSE = "psp_receivable:simulator", "refund_in_transit:simulator", "suspense:simulator"


@pytest.mark.parametrize(
    ("event", "books"),
    [
        pytest.param(authorized(10), {"hold": {"auth_hold": 10, "auth_contra": -10}}, id="PaymentAuthorized"),
        pytest.param(
            captured("first", 6000, percent=174, fixed=30, psp_fee=66),
            {
                "release": {"auth_contra": 6000, "auth_hold": -6000},
                "capture": {RECEIVABLE: 6000, "merchant_pending": -6000},
                "platform_fee": {"merchant_pending": 204, "platform_fee": -204},
                "psp_fee": {"psp_fee": 66, RECEIVABLE: -66},
            },
            id="PaymentCaptured",
        ),
        pytest.param(voided(9), {"release": {"auth_contra": 9, "auth_hold": -9}}, id="AuthorizationVoided"),
        pytest.param(
            AuthorizationExpired(amount_released=9, expires_at=1, confirmed_by="inquiry"),
            {"release": {"auth_contra": 9, "auth_hold": -9}},
            id="AuthorizationExpired",
        ),
        pytest.param(
            lot_available("first", 796),
            {"available": {"merchant_pending": 796, "merchant_available": -796}},
            id="FundsMadeAvailable",
        ),
        pytest.param(
            lot_available("first", -4),
            {"available": {"merchant_pending": -4, "merchant_available": 4}},
            id="FundsMadeAvailable below zero swaps the sides",
        ),
        pytest.param(
            refund_requested("refund", pending("first", 100), pending("second", 50), available(20)),
            {"funding": {"merchant_pending": 150, "merchant_available": 20, TRANSIT: -170}},
            id="RefundRequested",
        ),
        pytest.param(
            refunded("refund", 170, fee=25, returned=5, psp_fee=3),
            {
                "refund": {TRANSIT: 170, RECEIVABLE: -170},
                "refund_fee": {"merchant_available": 25, "platform_fee": -25},
                "psp_fee": {"psp_fee": 3, RECEIVABLE: -3},
                "returned": {"platform_fee": 5, "merchant_available": -5},
            },
            id="PaymentRefunded",
        ),
        pytest.param(
            failed_refund(),
            {"restored": {TRANSIT: 120, "merchant_pending": -100, "merchant_available": -20}},
            id="RefundFailed",
        ),
        pytest.param(
            reversed_refund(),
            {"restored": {RECEIVABLE: 120, "merchant_pending": -100, "merchant_available": -20}},
            id="RefundReversed",
        ),
        pytest.param(
            reversed_capture(platform_fee_returned=204, psp_fee_returned=66),
            {
                "capture": {"merchant_pending": 5796, "merchant_available": 204, RECEIVABLE: -6000},
                "fees": {"platform_fee": 204, "merchant_available": -204, RECEIVABLE: 66, "psp_fee": -66},
            },
            id="CaptureReversed",
        ),
        pytest.param(fee_adjusted(5), {"psp_fee": {"psp_fee": 5, RECEIVABLE: -5}}, id="PspFeeAdjusted"),
        pytest.param(fee_adjusted(-5), {"psp_fee": {"psp_fee": -5, RECEIVABLE: 5}}, id="PspFeeAdjusted downwards"),
        pytest.param(
            late("charge", FEE),
            {"late_charge": {RECEIVABLE: 500, SUSPENSE: -500}, "psp_fee": {"psp_fee": 7, RECEIVABLE: -7}},
            id="LateSuccessReceived",
        ),
        pytest.param(
            undone("refund"), {"late_refund": {SUSPENSE: 500, RECEIVABLE: -500}}, id="LateSuccessReversed by a refund"
        ),
        pytest.param(
            undone("refund", PspFee(amount=-7, currency="EUR", status="known")),
            {"late_refund": {SUSPENSE: 500, RECEIVABLE: -500}, "psp_fee": {"psp_fee": -7, RECEIVABLE: 7}},
            id="LateSuccessReversed with the fee given back",
        ),
        pytest.param(
            AuthorizationDeclined(result=result(), decline=DECLINE, psp_fee=FEE),
            {"psp_fee": {"psp_fee": 7, RECEIVABLE: -7}},
            id="AuthorizationDeclined",
        ),
    ],
)
def test_a_row_of_the_table(event: Event, books: dict[str, dict[str, int]]) -> None:
    assert booked(event) == books


@pytest.mark.parametrize(
    "event",
    [
        late("hold", FEE),
        undone("void", FEE),
        AuthorizationDeclined(result=result(), decline=DECLINE, psp_fee=None),
        CaptureFailed(result=result(), decline=DECLINE, capture_id=CAPTURE, amount=6000),
        CancellationFailed(result=result(), decline=DECLINE),
        PaymentCanceled(reason="requested"),
        lot_available("first", 0),
        voided(0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_moves_no_money_posts_nothing(event: Event) -> None:
    assert booked(event) == {}


def test_zero_amounts_leave_no_line_behind() -> None:
    assert booked(refund_requested("refund", pending("first", 100), pending("second", 0))) == {
        "funding": {"merchant_pending": 100, TRANSIT: -100}
    }
    assert set(booked(captured("first", 6000))) == {"release", "capture"}
    assert set(booked(reversed_capture(psp_fee_returned=66))["fees"]) == {RECEIVABLE, "psp_fee"}


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


def test_a_rule_that_comes_to_nothing_does_not_hide_the_next() -> None:
    assert set(booked(captured("first", 6000, psp_fee=66))) == {"release", "capture", "psp_fee"}


def test_a_fee_that_is_adjusted_is_booked_in_the_currency_it_is_named_in() -> None:
    dollars = replace(fee_adjusted(5), currency="USD")
    assert [t.currency for t in post(History(currency="JPY").add(dollars).recorded[0])] == ["USD"]


def test_a_psp_fee_in_another_currency_is_booked_in_that_one() -> None:
    declined = AuthorizationDeclined(
        result=result(), decline=DECLINE, psp_fee=PspFee(amount=7, currency="USD", status="known")
    )
    assert [t.currency for t in post(History(currency="JPY").add(declined).recorded[0])] == ["USD"]


def test_a_capture_whose_fee_is_billed_in_another_currency_is_booked_in_both() -> None:
    billed = replace(captured("first", 6000, percent=174), psp_fee=PspFee(amount=70, currency="USD", status="known"))
    booked_in = {t.rule: t.currency for t in post(History().add(billed).recorded[0])}
    assert booked_in == {"release": "EUR", "capture": "EUR", "platform_fee": "EUR", "psp_fee": "USD"}


def test_an_event_whose_parts_do_not_add_up_is_refused() -> None:
    short = RefundFailed(
        result=result(), decline=DECLINE, refund_id=REFUND, amount=120, restored=(pending("first", 119),)
    )
    with pytest.raises(AssertionError, match="off by 1 EUR"):
        post(History().add(short).recorded[0])


def test_money_of_no_currency_is_refused() -> None:
    recorded = History().add(authorized(10)).recorded[0]
    homeless = replace(recorded, envelope=replace(recorded.envelope, currency=None))
    with pytest.raises(AssertionError, match="no currency"):
        post(homeless)


@pytest.mark.parametrize("second", [Line(Account("platform_fee"), -10), Line(PSP_FEE, -10), Line(PLATFORM_FEE, -10)])
def test_memo_accounts_never_share_a_transaction_with_money(second: Line) -> None:
    with pytest.raises(AssertionError, match="mixes memo"):
        LedgerTransaction(
            event_id=an_id(1, "event"), rule="hold", currency="EUR", lines=(Line(AUTH_HOLD, 10), second), subject=REFUND
        )


def test_an_account_outside_the_chart_is_refused() -> None:
    with pytest.raises(AssertionError, match="no account of the chart"):
        Account("petty_cash")


def sane(event: Event) -> Event:
    """The one thing the contract asks of an event that types cannot say: the parts of a refund are its amount."""
    for field in ("funding", "restored", "taken_from"):
        parts: Sequence[object] | None = getattr(event, field, None)
        if parts is not None:
            event = replace(event, amount=sum(part.amount for part in parts))  # type: ignore[attr-defined]
    return event


ANY_EVENT = st.one_of([st.from_type(event_type) for event_type in get_args(Event)]).map(sane)


@given(st.lists(ANY_EVENT, max_size=8))
def test_any_sequence_of_events_keeps_every_currency_at_zero(history: list[Event]) -> None:
    totals: dict[str, int] = {}
    for recorded in History().add(*history).recorded:
        transactions = post(recorded)
        assert len({t.rule for t in transactions}) == len(transactions)
        for transaction in transactions:
            assert all(line.amount for line in transaction.lines)
            change = sum(line.amount for line in transaction.lines)
            totals[transaction.currency] = totals.get(transaction.currency, 0) + change
            assert not any(totals.values())


def test_the_ledger_is_handed_every_event_that_has_a_rule_and_every_event_has_one_or_needs_none() -> None:
    assert Ledger.event_types == {event.__name__ for event in RULES}
    assert sorted([*RULES, *POSTS_NOTHING], key=str) == sorted(get_args(Event), key=str)


@given(ANY_EVENT)
def test_posting_is_a_function_of_the_event_alone(event: Event) -> None:
    recorded = History().add(event).recorded[0]
    assert post(recorded) == post(recorded)
