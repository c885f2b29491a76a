"""The simulator's answers, and how far each is believed. Pure: bytes in, a reply out.

An answer counts only if it is whole and about what was ordered; a status counts only with the problem code the
simulator documents for it, since a proxy in between may answer with any status by itself.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from processors.psp.declines import decline
from processors.psp.provider import (
    Answer,
    InquiryReply,
    NotFound,
    NotProcessed,
    OrderReply,
    Pending,
    ReversalReply,
    Undone,
    Unknown,
)
from schemas.events.psp import Decline
from schemas.money import MAX_AMOUNT
from schemas.timestamps import parse_rfc3339

Kind = Literal["payment", "capture", "refund", "void"]
Approval = Literal["authorized", "captured", "refunded", "voided"]

_OK: Final = 200
_ACCEPTED: Final = 202
_SERVER_ERRORS: Final = range(500, 600)
_RETRYABLE: Final = {(503, "unavailable"), (429, "rate_limited"), (401, "unauthenticated")}
# Checked before the idempotency key is looked at, so they speak of this request alone.
_REFUSED: Final = {
    (400, "bad_json"),
    (400, "validation_failed"),
    (400, "idempotency_key_missing"),
    (400, "idempotency_key_invalid"),
    (404, "not_found"),
    (405, "method_not_allowed"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
}
# Decided from the state behind the key: had an earlier request of this key been processed, its answer would have come.
_DECLINED: Final[Mapping[tuple[int, str], str]] = {
    (409, "reference_tombstoned"): "processing_error",
    (409, "invalid_state"): "not_permitted",
    (409, "authorization_expired"): "not_permitted",
    (422, "capture_exceeds_authorized"): "not_permitted",
    (422, "refund_exceeds_captured"): "not_permitted",
}
_STILL_AT_WORK: Final = (409, "idempotency_key_in_flight")
_KEY_REUSED: Final = (422, "idempotency_key_reused")
_REFERENCE_IN_USE: Final = (409, "reference_in_use")
_NOTHING_STOOD: Final = frozenset(("not_needed", "tombstoned"))
_LONGEST_DELAY_MS: Final = 300_000
_LONGEST_DELAY_DIGITS: Final = 9


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer has to be about to be believed; `payment` null where the PSP has yet to name it."""

    kind: Kind
    approved_as: Approval
    reference: str
    amount: int
    currency: str
    payment: str | None = None


class _Decline(msgspec.Struct, frozen=True):
    code: str
    network_code: str | None
    advice_code: str | None


class _Operation(msgspec.Struct, frozen=True):
    id: str
    operation: Kind
    payment_id: str
    reference: str
    status: Literal["authorized", "captured", "refunded", "voided", "declined", "pending", "reversed", "expired"]
    amount: int
    currency: str
    approval_code: str | None
    network_reference: str | None
    capture_before: str | None
    fee: int | None
    decline: _Decline | None
    amount_captured: int | None
    processed_at: str | None


class _Reversal(msgspec.Struct, frozen=True):
    id: str
    operation: Literal["reversal"]
    reference: str
    status: Literal["voided", "refunded", "tombstoned", "not_needed"]
    fee: int
    processed_at: str


class _Problem(msgspec.Struct, frozen=True):
    code: str
    operation: msgspec.Raw = msgspec.Raw()


def read_order(expected: Expected, http_status: int, body: bytes, retry_after: str | None) -> OrderReply:
    """What the answer to an order says."""
    if http_status in {_OK, _ACCEPTED}:
        return _operation(expected, body)
    problem = _problem(body)
    if problem is not None and (http_status, problem.code) == _REFERENCE_IN_USE and problem.operation:
        # Our reference, and it is ours alone: what stands under it is what became of this attempt.
        return _operation(expected, bytes(problem.operation))
    return _failure(expected, http_status, problem, body, retry_after)


def read_inquiry(expected: Expected, http_status: int, body: bytes, retry_after: str | None) -> InquiryReply:
    """What the answer to an inquiry says."""
    if http_status in {_OK, _ACCEPTED}:
        return _operation(expected, body)
    problem = _problem(body)
    if problem is not None and (http_status, problem.code) == (404, "not_found"):
        return NotFound()
    return _failure(expected, http_status, problem, body, retry_after)


def read_reversal(expected: Expected, http_status: int, body: bytes, retry_after: str | None) -> ReversalReply:
    """What the answer to a reversal says."""
    if http_status != _OK:
        return _failure(expected, http_status, _problem(body), body, retry_after)
    try:
        reversal = msgspec.json.decode(body, type=_Reversal)
        processed_at = parse_rfc3339(reversal.processed_at)
    except (msgspec.DecodeError, ValueError):
        return Unknown(cause="malformed", http_status=http_status)
    if reversal.reference != expected.reference or not _can_be_a_fee(abs(reversal.fee)):
        return Unknown(cause="mismatch", http_status=http_status)
    return Undone(
        how=reversal.status,
        psp_operation_reference=reversal.id,
        processed_at=processed_at,
        raw_sha256=hashlib.sha256(body).hexdigest(),
        fee=None if reversal.status in _NOTHING_STOOD else reversal.fee,
    )


def _problem(body: bytes) -> _Problem | None:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return None


def _failure(
    expected: Expected, http_status: int, problem: _Problem | None, body: bytes, retry_after: str | None
) -> Answer | NotProcessed | Unknown:
    named = (http_status, problem.code) if problem is not None else None
    match named:
        case (_, code) if named in _RETRYABLE:
            return NotProcessed(
                psp_code=code, http_status=http_status, retryable=True, retry_after_ms=_delay_ms(retry_after)
            )
        case (_, code) if named in _REFUSED:
            return NotProcessed(psp_code=code, http_status=http_status, retryable=False)
        case (_, code) if named in _DECLINED:
            return _no(expected, decline(_DECLINED[named], psp_code=code), body)
        case pair if pair == _STILL_AT_WORK:
            return Unknown(cause="timeout", http_status=http_status)
        case pair if pair in {_KEY_REUSED, _REFERENCE_IN_USE}:
            return Unknown(cause="mismatch", http_status=http_status)
        case _ if http_status in _SERVER_ERRORS:
            return Unknown(cause="5xx", http_status=http_status)
        case _:
            return Unknown(cause="malformed", http_status=http_status)


def _operation(expected: Expected, body: bytes) -> Answer | Pending | Unknown:
    try:
        operation = msgspec.json.decode(body, type=_Operation)
        processed_at = None if operation.processed_at is None else parse_rfc3339(operation.processed_at)
        expires_at = None if operation.capture_before is None else parse_rfc3339(operation.capture_before)
    except (msgspec.DecodeError, ValueError):
        return Unknown(cause="malformed")
    if not _is_about(expected, operation):
        return Unknown(cause="mismatch")
    if operation.status == "pending":
        return Pending()
    if (operation.status == "declined") != (operation.decline is not None):
        return Unknown(cause="malformed")
    answer = Answer(
        approved=operation.status == expected.approved_as,
        amount=operation.amount,
        currency=operation.currency,
        psp_reference=operation.payment_id,
        psp_operation_reference=operation.id,
        network_reference=operation.network_reference,
        processed_at=processed_at,
        raw_sha256=hashlib.sha256(body).hexdigest(),
        # What was undone shows the fee it had cost, which the reversal has given back: it is no fee of this no.
        fee=None if operation.status == "reversed" else operation.fee,
        decline=_decline_of(operation),
        expires_at=expires_at,
        approval_code=operation.approval_code,
        captured=operation.amount_captured,
        lapsed=operation.status == "expired",
    )
    if answer.approved == (answer.decline is not None) or not _can_be_a_fee(operation.fee or 0):
        return Unknown(cause="mismatch")
    return answer


def _can_be_a_fee(amount: int) -> bool:
    """No more than a payment can be of: a few of what a 64-bit number holds, and no books could be kept any more."""
    return 0 <= amount <= MAX_AMOUNT


def _is_about(expected: Expected, operation: _Operation) -> bool:
    return (
        operation.operation == expected.kind
        and operation.reference == expected.reference
        and operation.amount == expected.amount
        and operation.currency == expected.currency
        and expected.payment in {None, operation.payment_id}
    )


def _decline_of(operation: _Operation) -> Decline | None:
    if operation.decline is not None:
        return decline(
            operation.decline.code,
            psp_code=operation.decline.code,
            network_code=operation.decline.network_code,
            advice_code=operation.decline.advice_code,
        )
    if operation.status in {"reversed", "expired"}:
        return decline("processing_error", psp_code=operation.status)
    return None


def _no(expected: Expected, reason: Decline, body: bytes) -> Answer:
    return Answer(
        approved=False,
        amount=expected.amount,
        currency=expected.currency,
        psp_reference=expected.payment,
        psp_operation_reference=None,
        raw_sha256=hashlib.sha256(body).hexdigest(),
        decline=reason,
    )


def _delay_ms(retry_after: str | None) -> int:
    """RFC 9110 section 10.2.3 in its form of seconds, heeded up to 5 minutes: a payment is not parked on a PSP's word.

    A date, or nonsense, asks for no more than our own delay.
    """
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return 0
    return min(int(retry_after[:_LONGEST_DELAY_DIGITS]) * 1000, _LONGEST_DELAY_MS)
