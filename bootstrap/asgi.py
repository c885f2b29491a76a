"""The HTTP application: every `Route` of the house compiled into one FastAPI app, one document, one edge.

Hot routes and whatever needs no key are served before the framework (`command_api.hot_dispatch`), by the same edge as all
others; nobody who calls can tell which way a request went.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import prometheus_client
from fastapi import FastAPI, Request, Response

from bootstrap import openapi
from bootstrap.clock import random_bytes
from bootstrap.open_pages import open_pages
from bootstrap.processes import HealthReport, shared_health
from bootstrap.settings import ApiSettings
from bootstrap.telemetry.exposition import Exposition
from command_api.authentication import Authenticator
from command_api.edge import ClientGone, Edge, Reply
from command_api.hot_dispatch import App, HotDispatch
from command_api.invalid_requests import InvalidRequests
from command_api.request_ids import RequestIds
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
            # Document and reference are pages (`bootstrap.open_pages`): anyone may ask for them, as often as they like.
            docs_url=None,
            redoc_url=None,
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
    framework = framework_app(parts, edge)
    routes = [(route, services) for table, services in parts for route in table]
    pages = open_pages(framework.openapi, shared_health(health), exposition or Exposition())
    return HotDispatch(routes, edge, framework, pages)


def framework_app(parts: Parts, edge: Edge | None = None) -> FrameworkApp:
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
    _describe_operations(app)
    return app


async def _endpoint(edge: Edge | None, route: Route[Any], services: Any, request: Request) -> Response:
    assert edge is not None, "an application without an edge serves only its document"
    try:
        reply = await edge.serve(route, services, request.scope, request.receive, request.path_params)
    except ClientGone:
        return Response(status_code=_CLIENT_CLOSED)
    return _response(reply)


def _response(reply: Reply) -> Response:
    response = Response(reply.body, status_code=reply.status)
    response.raw_headers = reply.headers
    return response


def _describe_operations(app: FrameworkApp) -> None:
    """What `open_pages` answers, as it stands in the document; these functions are never called."""

    def live() -> Mapping[str, bool]:
        """The process runs and its event loop turns."""
        return {"live": True}

    def ready() -> None:
        """The process can do its work now: 200, else 503; the details say what is missing."""

    def metrics() -> None:
        """Figures for Prometheus."""

    unready: dict[int | str, dict[str, Any]] = {503: {"description": "It cannot do its work now."}}
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
