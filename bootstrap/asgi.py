"""The HTTP application: every `Route` of the house compiled into one FastAPI app, one document, one edge.

Hot routes are served before the framework (`command_api.hot_dispatch`), by the same edge as all others; nobody who
calls can tell which way a request went.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

import msgspec
import prometheus_client
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.routing import Route as StarletteRoute
from starlette.staticfiles import StaticFiles

from bootstrap import openapi
from bootstrap.clock import random_bytes
from bootstrap.processes import HealthReport, shared_health
from bootstrap.settings import ApiSettings
from bootstrap.telemetry.exposition import CONTENT_TYPE, Exposition
from command_api.authentication import Authenticator
from command_api.edge import ClientGone, Edge, Reply
from command_api.hot_dispatch import App, HotDispatch
from command_api.invalid_requests import InvalidRequests
from command_api.problems import WrongMethod
from command_api.request_ids import RequestIds
from schemas.errors import NotFound, Rejected
from schemas.routes import Route

Parts = Sequence[tuple[Sequence[Route[Any]], Any]]
"""Tables of routes, each with the services that its handlers get."""

Health = Callable[[], Awaitable[HealthReport]]

_REQUESTS: Final = prometheus_client.Histogram(
    "guilder_http_request_seconds",
    "How long requests took, by method, route and status.",
    ("method", "route", "status"),
    buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16, 32),
)
_CLIENT_CLOSED: Final = 499
_ASSETS_PATH: Final = "/docs/assets"
_UNAVAILABLE: Final = 503


class RequestMetrics:
    """Counts answers; finds each counter once, since labels cost more than counting."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], prometheus_client.Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answer."""
        key = (method, route, status)
        counter = self._known.get(key)
        if counter is None:
            counter = self._known[key] = _REQUESTS.labels(method, route, str(status))
        counter.observe(seconds)


class FrameworkApp(FastAPI):
    """FastAPI with the house's own components in its document, since bodies are decoded by msgspec."""

    def __init__(self, parts: Parts, **options: Any) -> None:
        super().__init__(
            title=openapi.TITLE,
            version=openapi.API_VERSION,
            description=openapi.DESCRIPTION,
            # The reference is served with its own assets (`_add_reference`): a closed network has no CDN.
            docs_url=None,
            redoc_url=None,
            # So is the document, rendered once: anyone may ask for it, as often as they like.
            openapi_url=None,
            redirect_slashes=False,
            **options,
        )
        self._described = [route for table, _ in parts for route in table]

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        return openapi.completed(super().openapi(), self._described)


def create_app(
    parts: Parts,
    authenticator: Authenticator,
    health: Health,
    exposition: Exposition | None = None,
    *,
    max_invalid_per_s: float = ApiSettings().max_invalid_per_s,
) -> App:
    """The ASGI application over `parts`.

    `health` tells whether this process does its work now; it answers `/health/ready`, as `exposition` does `/metrics`.
    """
    edge = Edge(
        authenticator,
        RequestIds(UUID(bytes=random_bytes(16))),
        InvalidRequests(max_invalid_per_s),
        RequestMetrics().observe,
    )
    framework = framework_app(parts, edge, shared_health(health), exposition or Exposition())
    routes = [(route, services) for table, services in parts for route in table]
    # Mounts too. To find out that there is nothing, and raise it, takes the framework as long as many a payment.
    patterns = [path.path_regex for path in framework.router.routes if isinstance(path, StarletteRoute | Mount)]
    return HotDispatch(routes, edge, framework, lambda path: any(pattern.match(path) for pattern in patterns))


def framework_app(
    parts: Parts, edge: Edge | None = None, health: Health | None = None, exposition: Exposition | None = None
) -> FrameworkApp:
    """The FastAPI application of all routes; without an edge it serves nothing but its document."""
    app = FrameworkApp(parts)
    for table, services in parts:
        for route in table:
            app.add_api_route(
                route.path,
                partial(_endpoint, edge, route, services),
                methods=[route.method],
                status_code=min(route.responses),
                response_class=Response,
                summary=route.summary,
                description=route.description,
                operation_id=openapi.operation_id(route),
            )
    _add_operations(app, health, exposition)
    _add_reference(app)
    if edge is not None:
        app.add_exception_handler(HTTPException, partial(_unserved, edge))
    return app


async def _endpoint(edge: Edge | None, route: Route[Any], services: Any, request: Request) -> Response:
    assert edge is not None, "an application without an edge serves only its document"
    try:
        reply = await edge.serve(route, services, request.scope, request.receive, request.path_params)
    except ClientGone:
        return Response(status_code=_CLIENT_CLOSED)
    return _response(reply)


def _unserved(edge: Edge, request: Request, error: Exception) -> Response:
    """Whatever the framework itself refuses: paths that are not there, methods that a path does not answer."""
    refusal: Rejected = NotFound("There is no such path.")
    allowed = _methods_of(request)
    if isinstance(error, HTTPException) and error.status_code != NotFound.status and allowed:
        refusal = WrongMethod(allowed)
    return _response(edge.refusal(request.scope, refusal))


def _methods_of(request: Request) -> list[str]:
    methods: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _response(reply: Reply) -> Response:
    response = Response(reply.body, status_code=reply.status)
    response.raw_headers = reply.headers
    return response


def _add_reference(app: FrameworkApp) -> None:
    app.mount(_ASSETS_PATH, StaticFiles(packages=[("fastapi_offline", "static")]))

    async def reference() -> Response:
        """The API's reference, readable without the internet."""
        await asyncio.sleep(0)
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=openapi.TITLE,
            swagger_js_url=f"{_ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS_PATH}/favicon.png",
        )

    @cache
    def rendered() -> bytes:
        return msgspec.json.encode(app.openapi())

    async def document() -> Response:
        """The OpenAPI document."""
        await asyncio.sleep(0)
        return Response(rendered(), media_type="application/json")

    app.add_api_route("/docs", reference, include_in_schema=False)
    app.add_api_route("/openapi.json", document, include_in_schema=False)


def _add_operations(app: FrameworkApp, health: Health | None, exposition: Exposition | None) -> None:
    async def live() -> Mapping[str, bool]:
        """The process runs and its event loop turns."""
        await asyncio.sleep(0)
        return {"live": True}

    async def ready() -> Response:
        """The process can do its work now: 200, else 503; the details say what is missing."""
        assert health is not None
        report = await health()
        return Response(
            msgspec.json.encode(report, enc_hook=str),
            status_code=200 if report.ready else _UNAVAILABLE,
            media_type="application/json",
        )

    async def metrics() -> Response:
        """Figures for Prometheus."""
        assert exposition is not None
        return Response(await exposition.text(), media_type=CONTENT_TYPE)

    unready: dict[int | str, dict[str, Any]] = {_UNAVAILABLE: {"description": "It cannot do its work now."}}
    app.add_api_route("/health/live", live, summary="Does the process run?", tags=["operations"])
    app.add_api_route(
        "/health/ready",
        ready,
        summary="Can it do its work?",
        tags=["operations"],
        response_class=Response,
        responses=unready,
    )
    app.add_api_route("/metrics", metrics, summary="Prometheus metrics", tags=["operations"], response_class=Response)
