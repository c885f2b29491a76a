"""The closed family of refusals: each code of the contract once, under its status."""

from collections.abc import Iterator

import pytest

from schemas.errors import (
    CaptureExceedsAuthorized,
    FieldError,
    InvalidState,
    NotFound,
    RefundExceedsCaptured,
    Rejected,
    ValidationFailed,
)

CONTRACT = {
    400: "bad_json validation_failed idempotency_key_missing idempotency_key_invalid pan_not_allowed cursor_invalid "
    "filter_unknown",
    401: "unauthenticated key_revoked",
    403: "scope_missing merchant_mismatch livemode_mismatch",
    404: "not_found",
    405: "method_not_allowed",
    409: "invalid_state operation_in_progress authorization_expired attempts_exhausted concurrent_update",
    412: "version_mismatch",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "idempotency_key_reused capture_exceeds_authorized refund_exceeds_captured amount_too_large "
    "currency_not_supported amount_not_representable payment_method_not_supported multi_capture_not_supported "
    "too_many_operations",
    429: "rate_limited",
    503: "overloaded shard_unavailable position_not_reached",
}


def family(root: type[Rejected] = Rejected) -> Iterator[type[Rejected]]:
    for refusal in root.__subclasses__():
        if refusal.__module__ == Rejected.__module__:
            yield refusal
            yield from family(refusal)


def test_every_code_of_the_contract_stands_under_its_status() -> None:
    codes: dict[int, list[str]] = {}
    for refusal in family():
        codes.setdefault(refusal.status, []).append(refusal.code)
    for status, expected in CONTRACT.items():
        assert set(expected.split()) <= set(codes[status]), status


def test_a_code_means_one_thing() -> None:
    codes = [refusal.code for refusal in family()]
    assert len(set(codes)) == len(codes)
    assert all(refusal.title.endswith(".") for refusal in family())


def test_a_refusal_says_what_it_is_unless_told_more() -> None:
    assert NotFound().detail == NotFound.title
    assert NotFound("no such refund").detail == "no such refund"
    assert str(NotFound("no such refund")) == "no such refund"


@pytest.mark.parametrize("refusal", [CaptureExceedsAuthorized, RefundExceedsCaptured])
def test_an_amount_that_exceeds_says_what_is_available(
    refusal: type[CaptureExceedsAuthorized] | type[RefundExceedsCaptured],
) -> None:
    rejected = refusal(requested=60, available=40)
    assert rejected.extensions == {"available": 40}
    assert "60" in rejected.detail
    assert "40" in rejected.detail


def test_a_state_that_does_not_allow_says_which_would() -> None:
    rejected = InvalidState("no", current="captured", allowed=["authorized"])
    assert rejected.extensions == {"current_status": "captured", "allowed": ["authorized"]}


def test_bad_fields_are_named_each() -> None:
    errors = [FieldError("/amount", "missing", "is needed"), FieldError("/currency", "bad_currency", "no ISO code")]
    rejected = ValidationFailed(errors)
    assert rejected.errors == errors
    assert rejected.detail == "/amount: is needed; /currency: no ISO code"
