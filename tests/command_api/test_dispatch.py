"""Hot or by the framework: the same edge serves a request, and nobody can tell which way it went."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import httpx
import pytest
import structlog

from bootstrap.asgi import FrameworkApp, create_app
from bootstrap.http_server import server_config
from bootstrap.openapi import ALL_ROUTES
from bootstrap.processes import HEALTH_FRESH_FOR_S, HealthReport
from bootstrap.telemetry.exposition import CONTENT_TYPE
from command_api.authentication import Authenticator
from command_api.edge import Reply
from command_api.hot_dispatch import PIECE_BYTES, HotDispatch
from event_store import EventStore
from schemas.envelope import Actor
from schemas.errors import Overloaded, ShardUnavailable, Unauthenticated
from schemas.identifiers import Prefix, public_id
from schemas.resources import PaymentMethodResource
from schemas.routes import Answer, Call, Parameter, Principal, Route
from tests.command_api.conversation import ListeningServer, check_problem


class OneRoute:
    """An application of one route that does what a test tells it, hot or not."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http
        self.error: Exception | None = None
        self.healthy = True
        self.looks = 0

    async def handle(self, _services: None, call: Call) -> Answer:
        if self.error is not None:
            raise self.error
        return Answer(
            status=200,
            body=[call.path_params, call.query, call.headers["x-two"], call.path],
            headers={"X-Own": "1"},
        )

    async def health(self) -> HealthReport:
        self.looks += 1
        await asyncio.sleep(0)
        return HealthReport(ready=self.healthy, details={"why": "told so"})


class Anyone(Authenticator):
    merchant_id: UUID | None = None

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:  # noqa: ARG002 - anyone is let in
        return Principal(
            merchant_id=self.merchant_id,
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
        parameters=tuple(
            Parameter(name=name, where="query", description="Any.", json_schema={"type": "string"}) for name in "qz"
        ),
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


async def test_a_defects_line_names_the_payment_in_the_path_and_the_merchant_who_asked(
    one_route: OneRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Anyone, "merchant_id", UUID(int=8))
    one_route.error = RuntimeError("secret details")
    intent_id = public_id(Prefix.PAYMENT_INTENT, UUID(int=7))
    with structlog.testing.capture_logs() as logs:
        await one_route.http.get(f"{one_route.url}/v1/things/{intent_id}/parts/pi_no")
    [line] = logs
    assert line["payment_intent_id"] == intent_id
    assert line["merchant_id"] == public_id(Prefix.MERCHANT, UUID(int=8))


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


async def test_whoever_asks_often_whether_it_can_work_costs_one_look(one_route: OneRoute) -> None:
    asked = [one_route.http.get(f"{one_route.url}/health/ready") for _ in range(5)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert one_route.looks == 1
    one_route.healthy = False
    await asyncio.sleep(HEALTH_FRESH_FOR_S)
    assert (await one_route.http.get(f"{one_route.url}/health/ready")).status_code == 503


@pytest.fixture
def without_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        raise AssertionError("the framework was asked")

    monkeypatch.setattr(FrameworkApp, "__call__", never)


@pytest.mark.usefixtures("without_framework")
@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/things/1/parts/2/", "/docs/none", "/docs/assets/none", "//health/live"]
)
async def test_what_is_not_there_is_told_without_the_framework(one_route: OneRoute, path: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        answer = await one_route.http.request(method, one_route.url + path)
        if method == "HEAD":
            assert (answer.status_code, answer.content) == (404, b"")
            continue
        document = check_problem(answer, 404, "not_found")
        assert document["detail"] == "There is no such path."


PAGES = {
    "/health/live": "application/json",
    "/health/ready": "application/json",
    "/metrics": CONTENT_TYPE,
    "/openapi.json": "application/json",
    "/docs": "text/html; charset=utf-8",
    "/docs/assets/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "/docs/assets/swagger-ui.css": "text/css; charset=utf-8",
    "/docs/assets/favicon.png": "image/png",
}


@pytest.mark.usefixtures("without_framework")
@pytest.mark.parametrize(("path", "media_type"), PAGES.items())
async def test_what_anyone_may_read_is_answered_without_the_framework(
    one_route: OneRoute, path: str, media_type: str
) -> None:
    asked, headed = [await one_route.http.request(method, one_route.url + path) for method in ("GET", "HEAD")]
    assert (asked.status_code, asked.headers["Content-Type"]) == (200, media_type)
    assert len(asked.content) == int(asked.headers["Content-Length"])
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["Content-Length"] == asked.headers["Content-Length"]
    for method in ("POST", "OPTIONS"):
        refused = await one_route.http.request(method, one_route.url + path)
        check_problem(refused, 405, "method_not_allowed")
        assert refused.headers["Allow"] == "GET, HEAD"


async def test_the_reference_reads_nothing_but_pages(one_route: OneRoute) -> None:
    reference = (await one_route.http.get(f"{one_route.url}/docs")).text
    assert set(re.findall(r"""["'](/[^"']+)["']""", reference)) <= PAGES.keys()
    assert set(re.findall(r"https?://", reference)) == set()


async def test_an_asset_that_is_held_is_not_sent_again(one_route: OneRoute) -> None:
    path = f"{one_route.url}/docs/assets/swagger-ui.css"
    tag = (await one_route.http.get(path)).headers["ETag"]
    for held, status in ((tag, 304), (f'"other", W/{tag}', 304), ('"other"', 200)):
        answer = await one_route.http.get(path, headers={"If-None-Match": held})
        assert (answer.status_code, answer.headers["ETag"]) == (status, tag)
        assert bool(answer.content) == (status == 200)


@pytest.mark.usefixtures("without_framework")
async def test_strangers_and_wrong_methods_are_refused_without_the_framework(
    one_route: OneRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(*_: object) -> Principal:
        raise Unauthenticated

    monkeypatch.setattr(Anyone, "authenticate", nobody)
    path = f"{one_route.url}/v1/things/1/parts/2"
    answer = await one_route.http.get(path, headers={"Request-Id": "find-me"})
    assert check_problem(answer, 401, "unauthenticated")["request_id"] == "find-me"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    refused = await one_route.http.put(path)
    check_problem(refused, 405, "method_not_allowed")
    assert refused.headers["Allow"] == "GET, HEAD"


async def test_a_defect_in_telling_who_calls_is_a_problem_document_either_way(
    one_route: OneRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> Principal:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(Anyone, "authenticate", broken)
    answer = await one_route.http.get(f"{one_route.url}/v1/things/1/parts/2")
    check_problem(answer, 500, "internal_error")


def test_each_route_is_found_where_it_stands() -> None:
    dispatch = HotDispatch([(route, None) for route in ALL_ROUTES], Mock(), Mock())
    for route in ALL_ROUTES:
        found = dispatch._find(route.method, re.sub(r"{\w+}", "x", route.path))
        assert found is not None
        assert found[0] is route


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
async def test_a_large_answer_leaves_in_pieces(size: int) -> None:
    sent: list[dict[str, Any]] = []
    whole = Reply(200, [], bytes(size))

    async def page(_scope: object) -> Reply:
        return whole

    async def send(message: Any) -> None:
        sent.append(message)

    app = HotDispatch([], Mock(), Mock(), {"/p": page})
    await app({"type": "http", "method": "GET", "path": "/p"}, AsyncMock(), send)
    pieces = sent[1:]
    assert b"".join(piece["body"] for piece in pieces) == whole.body
    assert all(len(piece["body"]) <= PIECE_BYTES for piece in pieces)
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert len(pieces) == max(1, -(-size // PIECE_BYTES))
