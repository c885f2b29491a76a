"""What the simulator counts and times, for Prometheus."""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.answers = Counter(
            "psp_simulator_answers_total", "Answers given.", ("method", "noun", "status"), registry=self._registry
        )
        self._commit_jobs = Histogram(
            "psp_simulator_commit_jobs",
            "Jobs in a transaction.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self._registry,
        )
        self._commit_seconds = Histogram(
            "psp_simulator_commit_seconds",
            "How long a transaction took, its fsync included.",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2),
            registry=self._registry,
        )

    def observe_commit(self, jobs: int, seconds: float) -> None:
        """A transaction of `jobs` jobs took `seconds`."""
        self._commit_jobs.observe(jobs)
        self._commit_seconds.observe(seconds)

    async def show(self, _request: Request) -> Response:
        """`GET /metrics`, in the text format of Prometheus."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


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
