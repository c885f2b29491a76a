"""The simulator as one ASGI application: `/v1`, `/sim`, health and metrics."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from bootstrap.psp_simulator.clock import machine_clock
from bootstrap.psp_simulator.controls_api import ControlsApi
from bootstrap.psp_simulator.delivery import CutWhenCancelled
from bootstrap.psp_simulator.metrics import CountAnswers, Metrics
from bootstrap.psp_simulator.payments_api import BearerKey, PaymentsApi
from bootstrap.psp_simulator.problems import PROBLEM_JSON, ProblemError, internal_error
from bootstrap.psp_simulator.simulator import Simulator

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


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
    metrics = Metrics()
    simulator = Simulator(
        database, real_ms=real_ms or machine_clock(), clock_scale=clock_scale, observe_commit=metrics.observe_commit
    )
    return Starlette(
        routes=[
            Mount("/v1", routes=PaymentsApi(simulator).routes(), middleware=[Middleware(BearerKey, key=key)]),
            Mount("/sim", routes=ControlsApi(simulator).routes()),
            Mount("/health", routes=_health_of(simulator)),
            Route("/metrics", metrics.show),
        ],
        middleware=[Middleware(CountAnswers, counter=metrics.answers), Middleware(CutWhenCancelled)],
        exception_handlers={ProblemError: _render, HTTPException: _render, Exception: _render},
        lifespan=_lifespan_of(simulator),
    )


def _lifespan_of(simulator: Simulator) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await simulator.start()
        try:
            yield
        finally:
            await simulator.stop()

    return lifespan


def _health_of(simulator: Simulator) -> list[Route]:
    """Whether the process answers, and whether its book does."""

    async def live(_request: Request) -> Response:
        return Response(b'{"status":"live"}', media_type="application/json")

    async def ready(_request: Request) -> Response:
        try:
            is_ready = await simulator.ready()
        except sqlite3.Error:
            is_ready = False
        status, word = (200, b"ready") if is_ready else (503, b"unready")
        return Response(b'{"status":"%b"}' % word, status, media_type="application/json")

    return [Route("/live", live), Route("/ready", ready)]


async def _render(_request: Request, error: Exception) -> Response:
    """Every refusal leaves as a problem document, whoever raised it."""
    if isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code, "validation_failed")
        error = ProblemError(error.status_code, code, error.detail, headers=error.headers)
    problem = error if isinstance(error, ProblemError) else internal_error()
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=PROBLEM_JSON)
