"""How far the simulator's answers are believed: bytes in, a reply out."""

import json
from typing import Any

import pytest

from processors.psp.provider import Answer, NotFound, NotProcessed, Pending, Undone, Unknown
from processors.psp.simulator_wire import Expected, read_inquiry, read_order, read_reversal

EXPECTED = Expected(
    kind="capture", approved_as="captured", reference="att_1", amount=6_000, currency="EUR", payment="pay_1"
)


def operation(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cap_1",
        "operation": "capture",
        "payment_id": "pay_1",
        "reference": "att_1",
        "status": "captured",
        "amount": 6_000,
        "currency": "EUR",
        "approval_code": None,
        "network_reference": "123",
        "capture_before": None,
        "fee": 66,
        "decline": None,
        "action": None,
        "final": False,
        "amount_captured": None,
        "amount_refunded": None,
        "amount_released": 0,
        "processed_at": "2026-11-22T10:00:00.000Z",
    } | changes


def problem(code: str, **members: Any) -> bytes:
    return json.dumps({"type": "about:blank", "title": code, "status": 0, "code": code} | members).encode()


def body(**changes: Any) -> bytes:
    return json.dumps(operation(**changes)).encode()


def test_a_whole_answer_is_believed() -> None:
    answer = read_order(EXPECTED, 200, body(), None)

    assert isinstance(answer, Answer)
    assert (answer.approved, answer.amount, answer.fee) == (True, 6_000, 66)
    assert answer.processed_at == 1_795_341_600_000


def test_pending_and_declined() -> None:
    no = {"code": "insufficient_funds", "network_code": "51", "category": "soft", "advice_code": "02"}

    assert read_order(EXPECTED, 202, body(status="pending", processed_at=None, fee=None), None) == Pending()
    answer = read_order(EXPECTED, 200, body(status="declined", decline=no, fee=0), None)

    assert isinstance(answer, Answer)
    assert answer.decline is not None
    assert (answer.approved, answer.decline.code, answer.decline.network_code) == (False, "insufficient_funds", "51")


def test_what_was_undone_costs_no_more_than_its_reversal_said() -> None:
    for status, fee in (("declined", 25), ("reversed", None)):
        no = {"code": "do_not_honor", "network_code": "05", "advice_code": None} if status == "declined" else None
        answer = read_order(EXPECTED, 200, body(status=status, decline=no, fee=25), None)
        assert isinstance(answer, Answer)
        assert (answer.approved, answer.fee) == (False, fee)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"amount": 6_001}, "mismatch"),
        ({"amount": 6_000.0}, "malformed"),
        ({"amount": "6000"}, "malformed"),
        ({"fee": 66.5}, "malformed"),
        ({"fee": -1}, "mismatch"),
        ({"fee": 1_000_000_000_000}, "mismatch"),
        ({"fee": 1 << 70}, "mismatch"),
        ({"currency": "USD"}, "mismatch"),
        ({"reference": "att_2"}, "mismatch"),
        ({"payment_id": "pay_2"}, "mismatch"),
        ({"operation": "refund"}, "mismatch"),
        ({"status": "refunded"}, "mismatch"),
        ({"status": "authorized"}, "mismatch"),
        ({"status": "done"}, "malformed"),
        ({"status": "declined"}, "malformed"),
        ({"decline": {"code": "lost_card", "network_code": "41", "advice_code": None}}, "malformed"),
        ({"processed_at": "yesterday"}, "malformed"),
    ],
)
def test_an_answer_that_is_wrong_somewhere_is_unknown(changes: dict[str, Any], cause: str) -> None:
    reply = read_order(EXPECTED, 200, body(**changes), None)

    assert isinstance(reply, Unknown)
    assert reply.cause == cause


@pytest.mark.parametrize("raw", [b"", b"{", body()[:-9], b"[]", b"null", b"\xff"])
def test_bytes_that_are_no_answer_are_unknown(raw: bytes) -> None:
    assert read_order(EXPECTED, 200, raw, None) == Unknown(cause="malformed")


@pytest.mark.parametrize("field", ["amount", "currency", "reference", "status", "payment_id", "decline"])
def test_an_answer_that_leaves_something_out_is_unknown(field: str) -> None:
    short = operation()
    del short[field]

    assert read_order(EXPECTED, 200, json.dumps(short).encode(), None) == Unknown(cause="malformed")


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [
        (500, "internal_error", "5xx"),
        (502, "bad_gateway", "5xx"),
        (503, "somebody_elses", "5xx"),
        (409, "idempotency_key_in_flight", "timeout"),
        (422, "idempotency_key_reused", "mismatch"),
        (409, "reference_in_use", "mismatch"),
        (429, "somebody_elses", "malformed"),
        (400, "somebody_elses", "malformed"),
        (302, "moved", "malformed"),
    ],
)
def test_a_status_that_is_not_listed_proves_nothing(status: int, code: str, cause: str) -> None:
    reply = read_order(EXPECTED, status, problem(code), None)

    assert reply == Unknown(cause=cause, http_status=status)  # type: ignore[arg-type]


def test_a_proxys_page_proves_nothing() -> None:
    assert read_order(EXPECTED, 503, b"<html>busy</html>", "5") == Unknown(cause="5xx", http_status=503)
    assert read_order(EXPECTED, 404, b"<html>?</html>", None) == Unknown(cause="malformed", http_status=404)
    assert read_inquiry(EXPECTED, 404, b"<html>?</html>", None) == Unknown(cause="malformed", http_status=404)


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "retryable", "delay_ms"),
    [
        (503, "unavailable", "3", True, 3_000),
        (503, "unavailable", "31536000", True, 300_000),
        (503, "unavailable", "9" * 40, True, 300_000),
        (429, "rate_limited", None, True, 0),
        (429, "rate_limited", "Sun, 22 Nov 2026 10:00:00 GMT", True, 0),
        (401, "unauthenticated", None, True, 0),
        (400, "validation_failed", None, False, 0),
        (404, "not_found", None, False, 0),
    ],
)
def test_a_listed_status_did_nothing(
    status: int, code: str, retry_after: str | None, retryable: bool, delay_ms: int
) -> None:
    assert read_order(EXPECTED, status, problem(code), retry_after) == NotProcessed(
        psp_code=code, http_status=status, retryable=retryable, retry_after_ms=delay_ms
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "reference_tombstoned"),
        (409, "invalid_state"),
        (409, "authorization_expired"),
        (422, "capture_exceeds_authorized"),
        (422, "refund_exceeds_captured"),
    ],
)
def test_what_is_refused_from_the_state_behind_the_key_is_a_no(status: int, code: str) -> None:
    answer = read_order(EXPECTED, status, problem(code), None)

    assert isinstance(answer, Answer)
    assert answer.decline is not None
    assert (answer.approved, answer.decline.psp_code) == (False, code)


def test_a_reference_in_use_tells_what_stands_under_it_if_it_is_ours() -> None:
    ours = read_order(EXPECTED, 409, problem("reference_in_use", operation=operation()), None)
    other = read_order(EXPECTED, 409, problem("reference_in_use", operation=operation(amount=1)), None)

    assert isinstance(ours, Answer)
    assert ours.approved
    assert other == Unknown(cause="mismatch")


def test_an_inquiry_that_finds_nothing_is_no_answer() -> None:
    assert read_inquiry(EXPECTED, 404, problem("not_found"), None) == NotFound()
    for word in ("reversed", "expired"):
        answer = read_inquiry(EXPECTED, 200, body(status=word), None)
        assert isinstance(answer, Answer)
        assert (answer.approved, answer.lapsed) == (False, word == "expired")


def test_reversals() -> None:
    raw = {
        "id": "rev_1",
        "operation": "reversal",
        "reference": "att_1",
        "status": "tombstoned",
        "target": None,
        "amount": 0,
        "currency": None,
        "fee": 0,
        "processed_at": "2026-11-22T10:00:00.000Z",
    }

    undone = read_reversal(EXPECTED, 200, json.dumps(raw).encode(), None)
    other = read_reversal(EXPECTED, 200, json.dumps(raw | {"reference": "att_2"}).encode(), None)
    odd = read_reversal(EXPECTED, 200, json.dumps(raw | {"status": "perhaps"}).encode(), None)
    beyond = [
        read_reversal(EXPECTED, 200, json.dumps(raw | {"fee": fee}).encode(), None)
        for fee in (1_000_000_000_000, -(1 << 62))
    ]
    refused = read_reversal(EXPECTED, 409, problem("invalid_state"), None)

    assert isinstance(undone, Undone)
    assert undone.how == "tombstoned"
    assert other == Unknown(cause="mismatch", http_status=200)
    assert odd == Unknown(cause="malformed", http_status=200)
    assert beyond == [Unknown(cause="mismatch", http_status=200)] * 2
    assert isinstance(refused, Answer)
    assert not refused.approved
    assert read_reversal(EXPECTED, 500, problem("internal_error"), None) == Unknown(cause="5xx", http_status=500)
