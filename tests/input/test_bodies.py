"""Every field of every route that takes a body, with everything that can be wrong with it."""

import json
from typing import Any

import msgspec
import pytest

from bootstrap.openapi import ALL_ROUTES
from schemas.currencies import EXPONENTS
from schemas.routes import Route
from tests.input.installation import Installation, Request, ask, check_refusal
from tests.input.wrong_values import CARD_NUMBER, numbers_of, wrong_bodies

pytestmark = pytest.mark.usefixtures("nothing_stored")
with_body = pytest.mark.parametrize(
    "route", [route for route in ALL_ROUTES if route.request], ids=lambda route: f"{route.method} {route.path}"
)
LIMIT = 64 * 1024

NOT_JSON = {
    "cut off": b"{",
    "closed twice": b"{}}",
    "two documents": b"{} {}",
    "a word": b"nul",
    "single quotes": b"{'amount': 1}",
    "a comma too many": b'{"amount": 1,}',
    "a comment": b"{} // no",
    "a number with a zero before": b'{"amount": 01}',
    "a number with a plus": b'{"amount": +1}',
    "a hexadecimal number": b'{"amount": 0x1}',
    "a tab in a text": b'{"reference": "a\tb"}',
    "an unknown escape": b'{"reference": "\\x41"}',
    "not UTF-8": b'{"reference": "\xff"}',
    "an overlong zero": b'{"reference": "\xc0\x80"}',
    "a surrogate as UTF-8": b'{"reference": "\xed\xa0\x80"}',
    "UTF-16": '{"amount": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "zero bytes": b"\0" * 100,
    "lists in lists": b"[" * LIMIT,
    "closed lists in lists": b"[" * (LIMIT // 2) + b"]" * (LIMIT // 2),
    "objects in objects": b'{"a":' * (LIMIT // 5 - 1) + b"1",
    "a form": b"amount=1&currency=EUR",
}
NO_OBJECT = {"null": b"null", "a list": b"[]", "a number": b"1", "a text": b'"x"', "true": b"true"}
NOT_A_JSON_TYPE = (
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "application/jsonx",
    "application",
    "",
    "application/json; charset=latin-1",
    "application/json, application/json",
    "multipart/form-data; boundary=x",
    "text/json",
)


def with_raw(base: Request, body: bytes) -> Request:
    return msgspec.structs.replace(base, body=body)


def with_field(base: Request, name: str, *values: str) -> Request:
    """The request with a header field as often as there are values."""
    others = [field for field in base.headers if field[0].lower() != name.lower()]
    return msgspec.structs.replace(base, headers=(*others, *((name, value) for value in values)))


@with_body
async def test_each_field_is_refused_by_its_pointer_and_code(installation: Installation, route: Route[Any]) -> None:
    assert route.request is not None
    seen = 0
    for wrong in wrong_bodies(route.request, route.example_request or {}):
        answer = await ask(installation.app, with_raw(installation.base(route), wrong.body))
        try:
            problem = check_refusal(route, answer, "validation_failed", "pan_not_allowed", status=400)
            found = {(error["pointer"], error["code"]) for error in problem["errors"]}
            assert {(wrong.pointer, code) for code in wrong.codes} & found, found
            assert problem["code"] == "pan_not_allowed" or CARD_NUMBER.encode() not in wrong.body
            assert CARD_NUMBER.encode() not in answer.body
        except AssertionError as error:
            error.add_note(f"{wrong.name}: {wrong.body[:300]!r}")
            raise
        seen += 1
    assert seen > len(msgspec.structs.fields(route.request)) * 5


@with_body
async def test_what_is_no_json_is_refused(installation: Installation, route: Route[Any]) -> None:
    for name, body in NOT_JSON.items():
        answer = await ask(installation.app, with_raw(installation.base(route), body))
        problem = check_refusal(route, answer, "bad_json", "validation_failed", status=400)
        assert problem["code"] == "bad_json" or problem["errors"], name
    for name, body in NO_OBJECT.items():
        answer = await ask(installation.app, with_raw(installation.base(route), body))
        problem = check_refusal(route, answer, "validation_failed", status=400)
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("", "wrong_type")], name


@with_body
async def test_numbers_that_json_has_not_are_refused_by_their_place(
    installation: Installation, route: Route[Any]
) -> None:
    assert route.request is not None
    for name in numbers_of(route.request):
        for number in (b"NaN", b"Infinity", b"-Infinity"):
            body = json.dumps((route.example_request or {}) | {name: "@@"}).encode().replace(b'"@@"', number)
            answer = await ask(installation.app, with_raw(installation.base(route), body))
            problem = check_refusal(route, answer, "bad_json", status=400)
            assert problem["errors"][0]["pointer"] == f"/{name}"


@with_body
async def test_a_body_has_its_type_its_size_and_no_encoding(installation: Installation, route: Route[Any]) -> None:
    base = installation.base(route)
    for media_type in NOT_A_JSON_TYPE:
        answer = await ask(installation.app, with_field(base, "Content-Type", media_type))
        check_refusal(route, answer, "unsupported_media_type", status=415)
    for fields in ((), ("application/json", "text/plain")):
        answer = await ask(installation.app, with_field(base, "Content-Type", *fields))
        check_refusal(route, answer, "unsupported_media_type", status=415)
    for encoding in ("gzip", "br", "deflate", "x"):
        answer = await ask(installation.app, with_field(base, "Content-Encoding", encoding))
        check_refusal(route, answer, "unsupported_media_type", status=415)
    answer = await ask(installation.app, with_raw(base, base.body + b" " * (LIMIT + 1 - len(base.body))))
    check_refusal(route, answer, "body_too_large", status=413)


@with_body
async def test_no_body_is_an_empty_one(installation: Installation, route: Route[Any]) -> None:
    assert route.request is not None
    required = [field.encode_name for field in msgspec.structs.fields(route.request) if field.required]
    if required:
        for body in (b"", b"{}", b" {} "):
            answer = await ask(installation.app, with_raw(installation.base(route), body))
            problem = check_refusal(route, answer, "validation_failed", status=400)
            found = {(error["pointer"], error["code"]) for error in problem["errors"]}
            assert {(f"/{name}", "missing") for name in required} <= found


@with_body
async def test_another_merchant_is_not_named(installation: Installation, route: Route[Any]) -> None:
    assert route.request is not None
    assert "merchant_id" in {field.encode_name for field in msgspec.structs.fields(route.request)}
    body = json.dumps((route.example_request or {}) | {"merchant_id": theirs_of(installation)}).encode()
    answer = await ask(installation.app, with_raw(installation.base(route), body))
    check_refusal(route, answer, "merchant_mismatch", status=403)


def theirs_of(installation: Installation) -> str:
    return f"mer_{installation.theirs.key.split('_')[2]}"


@with_body
async def test_nesting_as_deep_as_a_body_is_long(installation: Installation, route: Route[Any]) -> None:
    assert route.request is not None
    for name in [field.encode_name for field in msgspec.structs.fields(route.request)]:
        for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
            for depth in (500, 900, 5000):
                deep = opened * depth + b"1" + closed * depth
                body = json.dumps((route.example_request or {}) | {name: "@@"}).encode().replace(b'"@@"', deep)
                answer = await ask(installation.app, with_raw(installation.base(route), body))
                check_refusal(route, answer, "bad_json", "validation_failed", status=400)


def test_the_currencies_that_are_tried_are_of_every_exponent() -> None:
    assert set(EXPONENTS.values()) == {0, 2, 3}
