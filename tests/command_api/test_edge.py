"""The edge: one renderer of problems, request ids, sizes, methods, and what an operator may look at."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import structlog

from command_api.edge import ClientGone, read_body
from command_api.request_ids import RequestIds
from schemas.card_numbers import is_card_number
from schemas.errors import BodyTooLarge
from schemas.identifiers import uuid7
from tests.command_api.conversation import Client, check_problem


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/payment_intents/", "/v1/nothing", "/v2/payment_intents", "/docs/x"])
async def test_an_unknown_path_is_a_problem(client: Client, path: str) -> None:
    check_problem(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/payment_intents", "GET, HEAD, POST"),
        ("PUT", "/v1/payment_intents/pi_1", "GET, HEAD"),
        ("POST", "/v1/payment_intents/pi_1", "GET, HEAD"),
        ("GET", "/v1/payment_intents/pi_1/capture", "POST"),
        ("PATCH", "/v1/payment_intents/pi_1/cancel", "POST"),
        ("POST", "/health/live", "GET, HEAD"),
    ],
)
async def test_a_method_that_a_path_does_not_answer(client: Client, method: str, path: str, allow: str) -> None:
    answer = await client.http.request(method, client.url + path, headers=client.headers())
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allow


async def test_head_is_answered_wherever_get_is_without_a_body(client: Client) -> None:
    intent = (await client.create()).json()["id"]
    paths = [f"/v1/payment_intents/{intent}", "/v1/payment_intents", "/v1/payment_intents/pi_1", "/health/live"]
    for path in (*paths, "/health/ready"):
        asked, headed = [
            await client.http.request(method, client.url + path, headers=client.headers()) for method in ("GET", "HEAD")
        ]
        assert (headed.status_code, headed.content) == (asked.status_code, b"")
        assert headed.headers["Content-Length"] == asked.headers["Content-Length"]
    only_post = await client.http.head(f"{client.url}/v1/payment_intents/{intent}/capture", headers=client.headers())
    assert (only_post.status_code, only_post.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
async def test_an_encoded_slash_separates_nothing(client: Client, slash: str) -> None:
    intent = (await client.create()).json()["id"]
    for path in (
        f"/v1/payment_intents{slash}{intent}",
        f"/v1{slash}payment_intents",
        f"/v1/payment_intents/{intent}{slash}events",
    ):
        document = check_problem(await client.get(path), 404, "not_found")
        assert document["detail"] == "There is no such path."


async def test_no_id_at_all_is_no_path(client: Client) -> None:
    document = check_problem(await client.get("/v1/payment_intents/"), 404, "not_found")
    assert document["detail"] == "There is no such path."


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
async def test_an_encoded_body_is_refused(client: Client, encoding: str) -> None:
    answer = await client.post(
        "/v1/payment_intents", {"amount": 1, "currency": "EUR"}, headers={"Content-Encoding": encoding}
    )
    check_problem(answer, 415, "unsupported_media_type")


async def test_an_identity_encoding_is_none(client: Client) -> None:
    answer = await client.post(
        "/v1/payment_intents", {"amount": 1, "currency": "EUR"}, headers={"Content-Encoding": "Identity"}
    )
    assert answer.status_code == 201


async def test_a_query_that_no_route_knows_is_refused(client: Client) -> None:
    intent = (await client.create()).json()["id"]
    asked = await client.get(f"/v1/payment_intents/{intent}?expand=x")
    document = check_problem(asked, 400, "filter_unknown")
    assert document["detail"] == "This path takes no query parameters, so not 'expand'."
    for path in ("/v1/payment_intents?dry_run=1", f"/v1/payment_intents/{intent}/cancel?force"):
        check_problem(await client.post(path, {"amount": 1, "currency": "EUR"}), 400, "filter_unknown")
    assert (await client.get(f"/v1/payment_intents/{intent}?")).status_code == 200


async def test_a_body_is_at_most_64_kib(client: Client) -> None:
    fits = {"amount": 1, "currency": "EUR", "metadata": {f"k{n}": "x" * 500 for n in range(50)}}
    assert (await client.post("/v1/payment_intents", fits)).status_code == 201
    padded = json.dumps(fits).encode()
    exactly = padded + b" " * (65_536 - len(padded))
    assert (await client.post("/v1/payment_intents", exactly)).status_code == 201
    check_problem(await client.post("/v1/payment_intents", exactly + b" "), 413, "body_too_large")


async def test_a_body_without_a_length_is_cut_off_as_well(client: Client) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 1
            yield b" " * 1024

    answer = await client.http.post(
        f"{client.url}/v1/payment_intents",
        content=pieces(),
        headers=client.headers({"Content-Type": "application/json", "Idempotency-Key": "endless"}),
    )
    check_problem(answer, 413, "body_too_large")


async def test_no_more_is_read_of_a_body_than_could_be_taken() -> None:
    pieces = 0

    async def endless() -> dict[str, Any]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b" " * 1024, "more_body": True}

    with pytest.raises(BodyTooLarge):
        await read_body(endless, {"content-length": "65537"})
    assert pieces == 0
    with pytest.raises(BodyTooLarge):
        await read_body(endless, {})
    assert pieces <= 66


async def test_a_client_that_goes_away_is_not_answered() -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    with pytest.raises(ClientGone):
        await read_body(receive, {})


async def test_the_largest_metadata_fits_or_is_refused_as_too_large(client: Client) -> None:
    wide = {f"{n:02}": "é" * 500 for n in range(50)}
    body = json.dumps({"amount": 1, "currency": "EUR", "metadata": wide}, ensure_ascii=False).encode()
    assert (await client.post("/v1/payment_intents", body)).status_code == 201
    wider = {f"{n:02}": "€" * 430 for n in range(50)}
    body = msgspec.json.encode({"amount": 1, "currency": "EUR", "metadata": wider})
    assert len(body) <= 65_536
    answer = await client.post("/v1/payment_intents", body)
    assert answer.status_code == 201, answer.text


async def test_bad_fields_are_listed_in_the_problem(client: Client) -> None:
    document = check_problem(await client.create(amount="1", colour="red"), 400, "validation_failed")
    assert {(error["pointer"], error["code"]) for error in document["errors"]} == {
        ("/amount", "wrong_type"),
        ("/colour", "unknown_field"),
    }
    assert all(error["detail"] for error in document["errors"])


async def test_other_content_types_and_bad_json(client: Client) -> None:
    plain = await client.post("/v1/payment_intents", b"{}", headers={"Content-Type": "text/plain"})
    check_problem(plain, 415, "unsupported_media_type")
    check_problem(await client.post("/v1/payment_intents", b"{"), 400, "bad_json")
    check_problem(await client.post("/v1/payment_intents", b'{"reference": "\xff"}'), 400, "bad_json")


@pytest.mark.parametrize("verb", ["authorize", "capture", "refund", "cancel"])
async def test_every_command_is_as_strict(client: Client, verb: str) -> None:
    intent_id = (await client.create()).json()["id"]
    document = check_problem(await client.command(intent_id, verb, {"amont": 1}), 400, "validation_failed")
    assert ("/amont", "unknown_field") in {(error["pointer"], error["code"]) for error in document["errors"]}
    check_problem(
        await client.http.post(
            f"{client.url}/v1/payment_intents/{intent_id}/{verb}",
            json={"payment_method": {"type": "card", "token": "t"}} if verb == "authorize" else {},
            headers=client.headers(),
        ),
        400,
        "idempotency_key_missing",
    )


async def test_a_card_number_is_refused_in_a_query_and_never_logged(client: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        query = await client.get("/v1/payment_intents?reference=4242424242424242")
        body = await client.create(reference="4242424242424242")
        key = await client.create(key="4242424242424242")
        path = await client.get("/v1/payment_intents/4242424242424242")
        ids = await client.get("/v1/payment_intents/x", headers={"Request-Id": "4242424242424242"})
    for answer in (query, body, key):
        assert check_problem(answer, 400, "pan_not_allowed")["errors"]
    for answer in (query, body, key, path, ids):
        assert "4242424242424242" not in answer.text
        assert "4242424242424242" not in repr(answer.headers)
    assert "4242424242424242" not in repr(logs)


@pytest.mark.parametrize(
    ("number", "refused"),
    [
        ("4242424242424242", True),
        ("4000000000006", True),
        ("5555555555554444", True),
        ("2223003122003222", True),
        ("378282246310005", True),
        ("6011111111111117", True),
        ("3056930009020004", True),
        ("36227206271667", True),
        ("3566002020360505", True),
        ("6205500000000000004", True),
        ("6521111111111110", True),
        ("4242424242424243", False),
        ("0000000000000000", False),
        ("1111111111111117", False),
        ("424242424242", False),
        ("42424242424242424242", False),
        (" 4242424242424242", False),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", False),
    ],
)
def test_what_counts_as_a_card_number(number: str, refused: bool) -> None:
    assert is_card_number(number) is refused


async def test_a_request_id_is_echoed_or_given(client: Client) -> None:
    own = await client.get("/v1/payment_intents/x", headers={"Request-Id": "shop-1:17/a"})
    assert own.headers["Request-Id"] == own.json()["request_id"] == "shop-1:17/a"
    given = [(await client.create()).headers["Request-Id"] for _ in range(2)]
    assert given[0] != given[1]
    assert all(one.startswith("req_") for one in given)
    bad = await client.get("/nothing", headers={"Request-Id": "no good"})
    assert bad.headers["Request-Id"].startswith("req_")


def test_request_ids_of_two_processes_differ() -> None:
    first, second = (RequestIds(uuid7(0, 0, bytes([seed]) * 8)) for seed in (1, 2))
    assert first.of(None) != second.of(None)
    assert first.of("x" * 129).startswith("req_")
    assert first.of("x\r\nSet-Cookie: a=b").startswith("req_")


async def test_operators_find_health_metrics_and_the_reference(client: Client) -> None:
    anonymous = {name: await client.http.get(client.url + name) for name in ("/health/live", "/health/ready", "/docs")}
    assert {name: answer.status_code for name, answer in anonymous.items()} == dict.fromkeys(anonymous, 200)
    assert anonymous["/health/ready"].json()["details"]["shards"] == 4
    await client.create()
    metrics = (await client.http.get(client.url + "/metrics")).text
    wanted = 'guilder_http_request_seconds_count{method="POST",route="/v1/payment_intents",status="201"}'
    assert wanted in metrics


async def test_the_reference_needs_nothing_from_outside(client: Client) -> None:
    page = await client.http.get(client.url + "/docs")
    assets = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert len(assets) == 3
    for asset in assets:
        served = await client.http.get(client.url + asset)
        assert served.status_code == 200, asset
        assert served.content
    assert (await client.http.get(client.url + "/docs/assets/nothing.js")).status_code == 404
