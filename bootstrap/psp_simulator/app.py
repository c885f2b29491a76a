"""The simulator as one ASGI application: `/v1`, `/sim`, health and metrics."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bootstrap.psp_simulator.clock import machine_clock
from bootstrap.psp_simulator.controls_api import ControlsApi
from bootstrap.psp_simulator.delivery import CutWhenCancelled
from bootstrap.psp_simulator.payments_api import BearerKey, PaymentsApi
from bootstrap.psp_simulator.problems import PROBLEM_JSON, ProblemError, internal_error
from bootstrap.psp_simulator.simulator import Simulator

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


class CountAnswers:
    """Counts each answer by method, the kind of thing asked for, and status; one that was never sent counts as `none`."""

    def __init__(self, app: ASGIApp, counter: Counter) -> None:
        self._app = app
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "none"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._counter.labels(scope["method"], _noun(scope["path"]), status).inc()


def _noun(path: str) -> str:
    """A path without ids: few enough for a label whatever is asked for."""
    match path.strip("/").split("/"):
        case ["v1", ("payments" | "operations" | "reversals") as noun]:
            return noun
        case ["v1", "payments", _, ("captures" | "refunds" | "voids" | "actions") as noun]:
            return noun
        case [("sim" | "health" | "metrics") as noun, *_]:
            return noun
        case _:
            return "unknown"


async def _render(_request: Request, error: Exception) -> Response:
    """Every refusal leaves as a problem document, whoever raised it."""
    if isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code, "validation_failed")
        error = ProblemError(error.status_code, code, error.detail, headers=error.headers)
    problem = error if isinstance(error, ProblemError) else internal_error()
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=PROBLEM_JSON)


def create_app(
    *,
    database: Path,
    key: str,
    clock_scale: float | None = None,
    real_ms: Callable[[], int] | None = None,
) -> Starlette:
    """Put the simulator together; serve it with `delivery.ConnectionShowingProtocol`, or no connection can be reset.

    Args:
        database: the SQLite file, created when it is missing; one process at a time holds it.
        key: what a client sends as `Authorization: Bearer`.
        clock_scale: simulated seconds per real second; None keeps what the database says, 1 in a new one.
        real_ms: milliseconds since 1970 UTC, never running backwards; the machine's by default.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    answers = Counter("psp_simulator_answers_total", "Answers given.", ("method", "noun", "status"), registry=registry)
    commit_jobs = Histogram(
        "psp_simulator_commit_jobs",
        "Jobs in a transaction.",
        buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        registry=registry,
    )
    commit_seconds = Histogram(
        "psp_simulator_commit_seconds",
        "How long a transaction took, its fsync included.",
        buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2),
        registry=registry,
    )

    def observe_commit(jobs: int, seconds: float) -> None:
        commit_jobs.observe(jobs)
        commit_seconds.observe(seconds)

    simulator = Simulator(
        database, real_ms=real_ms or machine_clock(), clock_scale=clock_scale, observe_commit=observe_commit
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await simulator.start()
        try:
            yield
        finally:
            await simulator.stop()

    async def live(_request: Request) -> Response:
        return Response(b'{"status":"live"}', media_type="application/json")

    async def ready(_request: Request) -> Response:
        try:
            is_ready = await simulator.ready()
        except sqlite3.Error:
            is_ready = False
        status, word = (200, b"ready") if is_ready else (503, b"unready")
        return Response(b'{"status":"%b"}' % word, status, media_type="application/json")

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Mount("/v1", routes=PaymentsApi(simulator).routes(), middleware=[Middleware(BearerKey, key=key)]),
            Mount("/sim", routes=ControlsApi(simulator).routes()),
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics),
        ],
        middleware=[Middleware(CountAnswers, counter=answers), Middleware(CutWhenCancelled)],
        exception_handlers={ProblemError: _render, HTTPException: _render, Exception: _render},
        lifespan=lifespan,
    )
