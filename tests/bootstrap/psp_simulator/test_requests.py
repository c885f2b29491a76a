"""What the simulator refuses to take, and how it names what is wrong."""

from typing import Any

import httpx
import pytest

from tests.bootstrap.psp_simulator.server import Client, code, fresh

CARD = {"type": "card", "token": "tok_ok"}
MISSING = object()


@pytest.mark.parametrize(
    ("field", "value", "pointer", "error"),
    [
        ("reference", MISSING, "/reference", "missing"),
        ("reference", None, "/reference", "missing"),
        ("reference", 7, "/reference", "wrong_type"),
        ("reference", "", "/reference", "bad_format"),
        ("reference", "a b", "/reference", "bad_format"),
        ("reference", "x" * 81, "/reference", "bad_format"),
        ("amount", MISSING, "/amount", "missing"),
        ("amount", 0, "/amount", "out_of_range"),
        ("amount", -5, "/amount", "out_of_range"),
        ("amount", 1_000_000_000_000, "/amount", "out_of_range"),
        ("amount", 10**30, "/amount", "out_of_range"),
        ("amount", 10.0, "/amount", "not_integer"),
        ("amount", "10", "/amount", "wrong_type"),
        ("amount", True, "/amount", "wrong_type"),
        ("currency", MISSING, "/currency", "missing"),
        ("currency", "eur", "/currency", "bad_currency"),
        ("currency", 978, "/currency", "bad_currency"),
        ("capture", "yes", "/capture", "wrong_type"),
        ("return_url", 5, "/return_url", "wrong_type"),
        ("return_url", "h" * 2049, "/return_url", "too_long"),
        ("surprise", 1, "/surprise", "unknown_field"),
        ("payment_method", MISSING, "/payment_method", "missing"),
        ("payment_method", "card", "/payment_method", "wrong_type"),
        ("payment_method", {}, "/payment_method/type", "missing"),
        ("payment_method", {"type": "cheque"}, "/payment_method/type", "bad_format"),
        ("payment_method", {"type": "card"}, "/payment_method/token", "missing"),
        ("payment_method", {**CARD, "cvc": "123"}, "/payment_method/cvc", "unknown_field"),
        ("payment_method", {"type": "card", "token": "visa"}, "/payment_method/token", "unknown_scenario"),
        ("payment_method", {"type": "card", "token": "tok_nothing"}, "/payment_method/token", "unknown_scenario"),
        ("payment_method", {"type": "card", "token": "tok_ok+settle=ok"}, "/payment_method/token", "unknown_scenario"),
        ("payment_method", {"type": "wallet", "token": "tok_ok"}, "/payment_method/provider", "missing"),
        ("payment_method", {"type": "netbanking"}, "/payment_method/bank_code", "missing"),
        ("payment_method", {"type": "upi", "payer_vpa": "nobody"}, "/payment_method/payer_vpa", "bad_format"),
        ("payment_method", {"type": "upi", "payer_vpa": "hm@sim"}, "/payment_method/payer_vpa", "unknown_scenario"),
        ("payment_method", {"type": "upi", "payer_vpa": "ok@sim", "flow": "x"}, "/payment_method/flow", "bad_format"),
    ],
)
async def test_a_bad_field_is_named(psp: Client, field: str, value: Any, pointer: str, error: str) -> None:
    body = {**psp.payment(), field: value}
    if value is MISSING:
        del body[field]
    key = fresh("key")
    answer = await psp.post("/v1/payments", body, key=key)
    assert code(answer) == (400, "validation_failed")
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [(pointer, error)]
    # Nothing was stored: the key takes another body.
    assert (await psp.post("/v1/payments", psp.payment(), key=key)).status_code == 200


async def test_all_that_is_wrong_is_named_at_once(psp: Client) -> None:
    answer = await psp.post("/v1/payments", {"amount": 1.5, "extra": 1, "payment_method": {"type": "card"}})
    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/reference", "/amount", "/currency", "/payment_method/token", "/extra",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "body", "pointer"),
    [
        ("captures", {"amount": 1}, "/reference"),
        ("captures", {"reference": "r"}, "/amount"),
        ("captures", {"reference": "r", "amount": 1, "final": 1}, "/final"),
        ("captures", {"reference": "r", "amount": 1, "currency": "EUR"}, "/currency"),
        ("refunds", {"reference": "r", "amount": 1, "final": True}, "/final"),
        ("voids", {"reference": "r", "amount": 1}, "/amount"),
        ("actions", {}, "/reference"),
    ],
)
async def test_follow_ups_are_as_strict(psp: Client, operation: str, body: dict[str, Any], pointer: str) -> None:
    payment = await psp.pay()
    answer = await psp.post(f"/v1/payments/{payment['id']}/{operation}", body)
    assert code(answer) == (400, "validation_failed")
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("body", [[], "x", 5, None])
async def test_a_body_that_is_no_object_is_refused(psp: Client, body: object) -> None:
    content = "null" if body is None else None
    headers = {"Idempotency-Key": fresh("key"), "Content-Type": "application/json"}
    answer = await psp.http.post("/v1/reversals", headers=headers, content=content, json=body)
    assert code(answer) == (400, "validation_failed")


async def test_the_inquiry_needs_a_reference(psp: Client) -> None:
    answer = await psp.http.get("/v1/operations")
    assert code(answer) == (400, "validation_failed")
    assert answer.json()["errors"][0]["pointer"] == "/reference"


async def send(psp: Client, content: bytes = b"{}", **headers: str) -> httpx.Response:
    usual = {"Idempotency-Key": fresh("key"), "Content-Type": "application/json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await psp.http.post("/v1/payments", content=content, headers={**usual, **named})


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": NaN}', b"\xff\xfe", b"{'a': 1}"])
async def test_what_is_no_json_is_refused(psp: Client, content: bytes) -> None:
    assert code(await send(psp, content)) == (400, "bad_json")


async def test_only_json_is_read(psp: Client) -> None:
    assert code(await send(psp, Content_Type="text/plain")) == (415, "unsupported_media_type")


async def test_a_body_has_a_limit(psp: Client) -> None:
    content = b'{"reference": "' + b"x" * 70_000 + b'"}'
    assert code(await send(psp, content)) == (413, "body_too_large")


@pytest.mark.parametrize(("key", "error"), [("", "invalid"), ("a b", "invalid"), ("x" * 256, "invalid")])
async def test_a_key_is_visible_ascii(psp: Client, key: str, error: str) -> None:
    assert code(await send(psp, Idempotency_Key=key)) == (400, f"idempotency_key_{error}")


async def test_a_post_without_a_key_is_refused(psp: Client) -> None:
    for path in ("/v1/payments", "/v1/payments/pay_x/captures", "/v1/reversals", "/v1/payments/pay_x/actions"):
        answer = await psp.http.post(path, json=psp.payment())
        assert code(answer) == (400, "idempotency_key_missing")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic c2s6", "bearer"])
async def test_the_bearer_key_is_needed_for_everything_of_the_psp(psp: Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with httpx.AsyncClient(base_url=psp.http.base_url, headers=headers) as stranger:
        for method, path in (("POST", "/v1/payments"), ("GET", "/v1/operations"), ("POST", "/v1/reversals")):
            answer = await stranger.request(method, path)
            assert code(answer) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/sim/log", "/sim/clock", "/health/live", "/health/ready", "/metrics"):
            assert (await stranger.get(path)).status_code == 200


async def test_other_paths_and_methods_are_problems_too(psp: Client) -> None:
    assert code(await psp.http.get("/v2")) == (404, "not_found")
    assert code(await psp.http.get("/v1/nothing")) == (404, "not_found")
    assert code(await psp.http.get("/v1/payments")) == (405, "method_not_allowed")
