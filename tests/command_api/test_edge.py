"""The edge: one renderer of problems, request ids, sizes, methods, and what an operator may look at."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest
import structlog

from bootstrap.asgi import create_app
from bootstrap.processes import HealthReport
from bootstrap.processes.api import server_config
from command_api.authentication import Authenticator
from command_api.card_numbers import is_card_number
from command_api.edge import ClientGone, read_body
from command_api.request_ids import RequestIds
from event_store import EventStore
from schemas.envelope import Actor
from schemas.errors import BodyTooLarge, Overloaded, ShardUnavailable
from schemas.identifiers import uuid7
from schemas.resources import PaymentMethodResource
from schemas.routes import Answer, Call, Principal, Route
from tests.command_api.conversation import Client, ListeningServer

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = answer.json()
    assert document.keys() >= PROBLEM_MEMBERS
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:guilder:error:{code}"
    assert document["request_id"] == answer.headers["Request-Id"]
    return document


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/payment_intents/", "/v1/nothing", "/v2/payment_intents", "/docs/x"])
async def test_an_unknown_path_is_a_problem(client: Client, path: str) -> None:
    check_problem(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/payment_intents", "GET, POST"),
        ("PUT", "/v1/payment_intents/pi_1", "GET"),
        ("POST", "/v1/payment_intents/pi_1", "GET"),
        ("GET", "/v1/payment_intents/pi_1/capture", "POST"),
        ("PATCH", "/v1/payment_intents/pi_1/cancel", "POST"),
        ("POST", "/health/live", "GET"),
    ],
)
async def test_a_method_that_a_path_does_not_answer(client: Client, method: str, path: str, allow: str) -> None:
    answer = await client.http.request(method, client.url + path, headers=client.headers())
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allow


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


class OneRoute:
    """An application of one route that does what a test tells it, hot or not."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http
        self.error: Exception | None = None
        self.healthy = True

    async def handle(self, _services: None, call: Call) -> Answer:
        if self.error is not None:
            raise self.error
        return Answer(
            status=200,
            body=[call.path_params, call.query, call.headers["x-two"], call.path],
            headers={"X-Own": "1"},
        )

    async def health(self) -> HealthReport:
        return HealthReport(ready=self.healthy, details={"why": "told so"})


class Anyone(Authenticator):
    async def authenticate(self, headers: Mapping[str, str]) -> Principal:  # noqa: ARG002 - anyone is let in
        return Principal(
            merchant_id=None,
            livemode=None,
            scopes=frozenset({"payments:read"}),
            actor=Actor(type="operator", id="test"),
        )


@pytest.fixture(params=[True, False], ids=["hot", "by the framework"])
async def one_route(
    request: pytest.FixtureRequest, http: httpx.AsyncClient, store: EventStore
) -> AsyncIterator[OneRoute]:
    told = OneRoute("", http)
    route = Route(
        method="GET",
        path="/v1/things/{thing}/parts/{part}",
        scope="payments:read",
        request=None,
        response=PaymentMethodResource,
        handler=told.handle,
        hot=request.param,
        summary="A thing's part",
        responses={200: "It."},
    )
    app = create_app([((route,), None)], Anyone.__new__(Anyone), told.health)
    server = ListeningServer(server_config(app, "127.0.0.1", 0))
    serving = asyncio.create_task(server.serve())
    await server.listening.wait()
    told.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield told
    server.should_exit = True
    await serving


async def test_nobody_can_tell_which_way_a_request_went(one_route: OneRoute) -> None:
    path = "/v1/things/a%20b/parts/%C3%A9"
    answer = await one_route.http.get(f"{one_route.url}{path}?q=1&q=&z=%26", headers=[("X-Two", "a"), ("X-Two", "b")])
    assert answer.status_code == 200
    assert answer.json() == [
        {"thing": "a b", "part": "é"},
        [["q", "1"], ["q", ""], ["z", "&"]],
        "a, b",
        "/v1/things/a b/parts/é",
    ]
    assert answer.headers["X-Own"] == "1"
    assert {"Request-Id", "Cache-Control", "Content-Length", "Content-Type"} <= {
        name.title() for name in answer.headers
    }


async def test_a_defect_is_told_to_nobody_and_logged_once(one_route: OneRoute) -> None:
    one_route.error = RuntimeError("secret details")
    with structlog.testing.capture_logs() as logs:
        answer = await one_route.http.get(
            f"{one_route.url}/v1/things/1/parts/2", headers={"X-Two": "", "Request-Id": "find-me"}
        )
    document = check_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert [(entry["log_level"], entry["request_id"]) for entry in logs] == [("error", "find-me")]
    assert logs[0]["exc_info"] is one_route.error
    assert document["request_id"] == "find-me"


@pytest.mark.parametrize("error", [Overloaded(), ShardUnavailable()])
async def test_what_may_pass_says_when_to_try_again(one_route: OneRoute, error: Exception) -> None:
    one_route.error = error
    with structlog.testing.capture_logs() as logs:
        answer = await one_route.http.get(f"{one_route.url}/v1/things/1/parts/2")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert logs == []


async def test_a_process_that_cannot_work_says_so(one_route: OneRoute) -> None:
    one_route.healthy = False
    answer = await one_route.http.get(f"{one_route.url}/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "details": {"why": "told so"}})
    assert (await one_route.http.get(f"{one_route.url}/health/live")).status_code == 200
