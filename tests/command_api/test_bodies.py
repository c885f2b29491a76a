"""Bodies are strict: whatever is wrong with one is said, all of it, each with the field's pointer and a code."""

import json
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from command_api.bodies import BodyDecoder
from command_api.payment_intents import CreateBody
from command_api.refunds import RefundBody
from schemas.errors import BadJson, FieldError, PanNotAllowed, Rejected, UnsupportedMediaType, ValidationFailed

DECODER = BodyDecoder(CreateBody)
GOOD: dict[str, Any] = {"amount": 10_000, "currency": "EUR"}
VISA = "4242424242424242"


def raw(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


def refused(body: bytes) -> set[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as refusal:
        DECODER.decode(body, "application/json")
    assert type(refusal.value) is ValidationFailed
    return {(error.pointer, error.code) for error in refusal.value.errors}


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"amount": 10.0}, "/amount", "not_integer"),
        ({"amount": 10.5}, "/amount", "not_integer"),
        ({"amount": "100"}, "/amount", "wrong_type"),
        ({"amount": True}, "/amount", "wrong_type"),
        ({"amount": None}, "/amount", "wrong_type"),
        ({"amount": [1]}, "/amount", "wrong_type"),
        ({"amount": 0}, "/amount", "out_of_range"),
        ({"amount": -1}, "/amount", "out_of_range"),
        ({"amount": 1_000_000_000_000}, "/amount", "out_of_range"),
        ({"amount": 10**40}, "/amount", "out_of_range"),
        ({"currency": "eur"}, "/currency", "bad_currency"),
        ({"currency": "XXX"}, "/currency", "bad_currency"),
        ({"currency": "CLF"}, "/currency", "bad_currency"),
        ({"currency": ""}, "/currency", "bad_currency"),
        ({"currency": 978}, "/currency", "wrong_type"),
        ({"amout": 1}, "/amout", "unknown_field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ({"capture_method": "later"}, "/capture_method", "bad_format"),
        ({"reference": "x" * 81}, "/reference", "too_long"),
        ({"reference": ""}, "/reference", "bad_format"),
        ({"reference": 17}, "/reference", "wrong_type"),
        ({"metadata": {"k" * 41: "v"}}, f"/metadata/{'k' * 41}", "too_long"),
        ({"metadata": {"k": "v" * 501}}, "/metadata/k", "too_long"),
        ({"metadata": {"k": 1}}, "/metadata/k", "wrong_type"),
        ({"metadata": {"k": {"deep": "er"}}}, "/metadata/k", "wrong_type"),
        ({"metadata": {str(n): "v" for n in range(51)}}, "/metadata", "too_long"),
        ({"metadata": []}, "/metadata", "wrong_type"),
        ({"return_url": "javascript:alert(1)"}, "/return_url", "bad_format"),
        ({"statement_descriptor": "x" * 23}, "/statement_descriptor", "too_long"),
        ({"authorize": "yes"}, "/authorize", "wrong_type"),
        ({"authorize": True}, "/payment_method", "missing"),
        ({"authorize": True, "payment_method": {"token": "t"}}, "/payment_method/type", "missing"),
        ({"authorize": True, "payment_method": {"type": 1}}, "/payment_method/type", "wrong_type"),
        ({"authorize": True, "payment_method": {"type": "cash"}}, "/payment_method/type", "bad_format"),
        ({"authorize": True, "payment_method": {"type": "card"}}, "/payment_method/token", "missing"),
        ({"authorize": True, "payment_method": "card"}, "/payment_method", "wrong_type"),
        (
            {"authorize": True, "payment_method": {"type": "card", "token": "t", "cvc": "1"}},
            "/payment_method/cvc",
            "unknown_field",
        ),
        (
            {"authorize": True, "payment_method": {"type": "card", "token": "ann@example.com"}},
            "/payment_method/token",
            "bad_format",
        ),
        (
            {"authorize": True, "payment_method": {"type": "wallet", "provider": "p", "token": "a b"}},
            "/payment_method/token",
            "bad_format",
        ),
        ({"payment_method": {"type": "card", "token": "t"}}, "/payment_method", "unknown_field"),
        ({"merchant_id": "mer_1"}, "/merchant_id", "bad_format"),
        ({"reference": "a\x00b"}, "/reference", "bad_format"),
        ({"metadata": {"a\nb": "v"}}, "/metadata", "bad_format"),
        ({"reference": "half \ud800 pair"}, "/reference", "bad_format"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], pointer: str, code: str) -> None:
    assert refused(raw(**fields)) == {(pointer, code)}


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b'{"amount": 1e2, "currency": "EUR"}', "/amount", "not_integer"),
        (b'{"amount": 1e400, "currency": "EUR"}', "/amount", "not_integer"),
        (b'{"amount": -0.0, "currency": "EUR"}', "/amount", "not_integer"),
        (b'{"amount": 1' + b"0" * 5000 + b', "currency": "EUR"}', "/amount", "out_of_range"),
        (b'{"amount": 1, "amount": 2, "currency": "EUR"}', "/amount", "bad_format"),
        (b'{"amount": 1, "\\u0061mount": 2, "currency": "EUR"}', "/amount", "bad_format"),
        (b'{"amount":1,"currency":"EUR","metadata":{"a":"1","a":"1"}}', "/metadata/a", "bad_format"),
        (b"[]", "", "wrong_type"),
        (b"null", "", "wrong_type"),
        (b'"amount"', "", "wrong_type"),
    ],
)
def test_what_json_allows_and_money_does_not(body: bytes, pointer: str, code: str) -> None:
    assert refused(body) == {(pointer, code)}


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"'])
def test_what_is_no_object_is_told_of_the_body(body: bytes) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        DECODER.decode(body, "application/json")
    assert refusal.value.detail == "the body must be an object"


def test_every_mistake_is_told_at_once() -> None:
    body = {"amount": "1", "currency": "EURO", "colour": "red", "metadata": {"k": 1}, "reference": "x" * 100}
    assert refused(json.dumps(body).encode()) == {
        ("/amount", "wrong_type"),
        ("/currency", "bad_currency"),
        ("/colour", "unknown_field"),
        ("/metadata/k", "wrong_type"),
        ("/reference", "too_long"),
    }
    assert refused(b"{}") == {("/amount", "missing"), ("/currency", "missing")}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b" ",
        b'{"amount": NaN, "currency": "EUR"}',
        b'{"amount": Infinity, "currency": "EUR"}',
        b'{"amount": 01, "currency": "EUR"}',
        b"{'amount': 1}",
        b'{"amount": 1, "currency": "EUR"} trailing',
        b'{"amount": 1, "currency": "EUR",}',
        b'{"amount": 1, "currency": "\xff\xfe"}',
        b"\xef\xbb\xbf" + raw(),
        json.dumps(GOOD).encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"metadata":' * 900 + b"1" + b"}" * 900,
        b'{"reference": "a\nb"}',
    ],
)
def test_what_is_no_json_is_bad_json(body: bytes) -> None:
    with pytest.raises(Rejected) as refusal:
        DECODER.decode(body, "application/json")
    # A very deep but closed nesting is JSON; it is refused by its first field instead, which is as good.
    assert isinstance(refusal.value, BadJson) or refusal.value.code == "validation_failed"
    if not body.startswith(b'{"metadata":'):
        assert refusal.value.code == "bad_json"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (raw(reference=VISA), ["/reference"]),
        (raw(metadata={"card": VISA, "other": "378282246310005"}), ["/metadata/card", "/metadata/other"]),
        (raw(metadata={VISA: "v"}), ["/metadata"]),
        (raw(unknown=[[VISA]]), ["/unknown/0/0"]),
        (raw(reference="\\u0034").replace(b"\\\\u0034", b"\\u003424242424242424" + b"2"), ["/reference"]),
        (raw(authorize=True, payment_method={"type": "card", "token": VISA}), ["/payment_method/token"]),
        (raw(amount="bad", reference=VISA), ["/reference"]),
        (json.dumps({VISA: 1}).encode(), [""]),
    ],
)
def test_card_numbers_are_refused_wherever_they_stand_and_never_repeated(body: bytes, pointers: list[str]) -> None:
    with pytest.raises(PanNotAllowed) as refusal:
        DECODER.decode(body, "application/json")
    assert [error.pointer for error in refusal.value.errors] == pointers
    assert "4242" not in str(refusal.value)
    assert "4242" not in repr(refusal.value.extensions)


@pytest.mark.parametrize("text", ["4242424242424241", "1234567890123", "42424242424242421", "order 4242424242424242"])
def test_what_is_no_card_number_passes(text: str) -> None:
    assert DECODER.decode(raw(reference=text), "application/json").value.reference == text


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/json; charset=latin-1",
        "application/json; Charset=latin-1",
        "application/json; charset=utf-8; charset=latin-1",
        "application/json, application/json",
        "application/jsonx",
        "text/json",
    ],
)
def test_other_content_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        DECODER.decode(raw(), content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json ; CHARSET=utf-8",
        "application/json; charset=utf-8; profile=order",
        "application/json; not-charset=latin-1",
    ],
)
def test_json_in_utf8_is_taken_however_it_is_spelled(content_type: str) -> None:
    assert DECODER.decode(raw(), content_type).value.amount == 10_000


def test_no_body_at_all_is_the_empty_object() -> None:
    decoded = BodyDecoder(RefundBody).decode(b"", None)
    assert decoded.value == RefundBody()
    assert decoded.canonical == b"{}"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_bad_json_and_the_field_is_named(constant: str) -> None:
    with pytest.raises(BadJson) as refusal:
        DECODER.decode(f'{{"amount": {constant}, "currency": "EUR"}}'.encode(), "application/json")
    assert refusal.value.extensions == {"errors": [FieldError("/amount", "not_integer", "is no number")]}


_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)


@given(metadata=st.dictionaries(_texts, _texts, max_size=6), amount=st.integers(1, 999_999_999_999))
def test_the_canonical_bytes_are_rfc_8785_however_the_body_was_written(metadata: dict[str, str], amount: int) -> None:
    body: dict[str, Any] = {"metadata": metadata, "currency": "EUR", "amount": amount}
    expected = rfc8785.dumps(body)
    spelled = (
        json.dumps(body).encode(),
        json.dumps(body, ensure_ascii=False, indent=2).encode(),
        msgspec.json.encode(dict(reversed(body.items()))),
    )
    assert {DECODER.decode(one, "application/json").canonical for one in spelled} == {expected}


@given(
    st.dictionaries(
        st.sampled_from(["amount", "currency", "metadata", "reference", "authorize", "payment_method", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_any_json_is_taken_or_refused_with_reasons(body: dict[str, Any]) -> None:
    try:
        decoded = DECODER.decode(json.dumps(body).encode(), "application/json")
    except ValidationFailed as refusal:
        reasons = len(refusal.errors)
    else:
        reasons = 1
        assert 1 <= decoded.value.amount <= 999_999_999_999
    assert reasons
