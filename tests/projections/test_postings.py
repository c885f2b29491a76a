"""Each row of the posting table: which accounts an event moves, by which rule, in which currency."""

import pytest
from msgspec.structs import replace

from projections.ledger import post
from schemas.events import (
    AuthorizationDeclined,
    AuthorizationExpired,
    CancellationFailed,
    CaptureFailed,
    Event,
    PaymentCanceled,
)
from schemas.events.psp import PspFee
from tests.projections.events import (
    CAPTURE,
    DECLINE,
    FEE,
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
        pytest.param(
            replace(captured("last", 6000), final=True, hold_released=7500),
            {
                "release": {"auth_contra": 7500, "auth_hold": -7500},
                "capture": {RECEIVABLE: 6000, "merchant_pending": -6000},
            },
            id="PaymentCaptured, final, with a rest",
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
