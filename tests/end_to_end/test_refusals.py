"""The ways a merchant gets it wrong: each is told which, and nothing is stored."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.campaign.installation import Installation
from tests.command_api.conversation import CARD, Client

pytestmark = pytest.mark.slow

INTENTS = "/v1/payment_intents"
ORDER = {"amount": 10_000, "currency": "EUR"}


@pytest.fixture
async def nothing_is_stored(installation: Installation) -> AsyncIterator[None]:
    """Holds that the log is as long afterwards as it was before."""
    connection: Any = await asyncpg.connect(installation.postgres_dsn)
    try:
        before = await connection.fetchval("SELECT sum(position) FROM heads")
        yield
        assert await connection.fetchval("SELECT sum(position) FROM heads") == before
    finally:
        await connection.close()


@pytest.fixture(scope="package")
async def intent_id(installation: Installation, shop: Client) -> str:
    """A payment intent of which 10000 are authorized; nothing else is under way in the installation."""
    created = await shop.create(authorize=True, payment_method=CARD, wait=30)
    assert created.json()["status"] == "authorized"
    # The same key with another body is one of the ways to get it wrong.
    assert (await shop.create(key="taken")).status_code == 201
    await installation.drained()
    found: str = created.json()["id"]
    return found


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal (RFC 9457), whole."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert problem["request_id"] == answer.headers["Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    return problem


BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"amount": 10.5, "currency": "EUR"}, "/amount", "not_integer"),
    ({"amount": "100", "currency": "EUR"}, "/amount", "wrong_type"),
    ({"amount": 0, "currency": "EUR"}, "/amount", "out_of_range"),
    ({"amount": -1, "currency": "EUR"}, "/amount", "out_of_range"),
    ({"currency": "EUR"}, "/amount", "missing"),
    ({"amount": 1, "currency": "XXX"}, "/currency", "bad_currency"),
    (ORDER | {"colour": "blue"}, "/colour", "unknown_field"),
    (ORDER | {"reference": "x" * 81}, "/reference", "too_long"),
    (ORDER | {"capture_method": "sometimes"}, "/capture_method", "bad_format"),
]


async def test_a_bad_field_is_named(intent_id: str, nothing_is_stored: None, shop: Client) -> None:
    for body, pointer, code in BAD_FIELDS:
        problem = refused(await shop.post(INTENTS, body), 400, "validation_failed")
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, code)], body


async def test_requests_that_are_none_are_refused(intent_id: str, nothing_is_stored: None, shop: Client) -> None:
    refused(await shop.post(INTENTS, b'{"amount": 1,'), 400, "bad_json")
    refused(await shop.post(INTENTS, b'{"reference": "' + b"x" * 70_000 + b'"}'), 413, "body_too_large")
    as_form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(await shop.post(INTENTS, b"amount=1", headers=as_form), 415, "unsupported_media_type")
    refused(await shop.post(INTENTS, ORDER | {"reference": "4242424242424242"}), 400, "pan_not_allowed")
    refused(await shop.post("/v1/payment_intent", ORDER), 404, "not_found")
    refused(await shop.http.put(f"{shop.url}{INTENTS}", headers=shop.headers()), 405, "method_not_allowed")
    refused(await shop.get(f"{INTENTS}?colour=blue"), 400, "filter_unknown")


async def test_keys_that_are_missing_malformed_or_taken_are_refused(
    intent_id: str, nothing_is_stored: None, shop: Client
) -> None:
    without = await shop.http.post(f"{shop.url}{INTENTS}", json=ORDER, headers=shop.headers())
    refused(without, 400, "idempotency_key_missing")
    refused(await shop.post(INTENTS, ORDER, key="k" * 256), 400, "idempotency_key_invalid")
    refused(await shop.create(key="taken", amount=10_001), 422, "idempotency_key_reused")


async def test_callers_who_may_not_are_refused(
    intent_id: str, nothing_is_stored: None, installation: Installation, shop: Client, stranger: Client
) -> None:
    nobody = Client(shop.http, shop.url, shop.api_key[:-1] + ("A" if shop.api_key[-1] != "A" else "B"))
    answer = await nobody.create()
    refused(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    refused(await stranger.create(), 403, "scope_missing")
    refused(await stranger.get(f"{INTENTS}/{intent_id}"), 404, "not_found")
    other = installation.status()["demo"]["merchant_id"]
    refused(await shop.create(merchant_id=other), 403, "merchant_mismatch")


async def test_what_the_payment_does_not_allow_is_refused(
    intent_id: str, nothing_is_stored: None, shop: Client
) -> None:
    problem = refused(await shop.command(intent_id, "capture", {"amount": 10_001}), 422, "capture_exceeds_authorized")
    assert problem["available"] == 10_000
    problem = refused(await shop.command(intent_id, "refund", {"amount": 1}), 409, "invalid_state")
    assert problem["allowed"]
    refused(await shop.command(intent_id, "authorize", {"payment_method": CARD}), 409, "invalid_state")
    stale = {"If-Match": '"1"'}
    refused(await shop.command(intent_id, "capture", {"amount": 1}, headers=stale), 412, "version_mismatch")
