"""The long-running processes of an installation, one module each, and the frame they share.

Each module has `async def run(settings: Settings) -> None`, called by `guilder run NAME`; it composes its parts and
hands them to `serve`, which gives every process the same logging, signals, health and metrics.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog
import uvicorn

from bootstrap.http_server import server_config, with_files_for
from bootstrap.settings import HttpLimits, Settings
from bootstrap.shared_look import SharedLook
from bootstrap.telemetry.exposition import CONTENT_TYPE, Exposition
from bootstrap.telemetry.logs import configure_logging, secrets_of
from bootstrap.telemetry.traces import start_tracing

STOP_WITHIN_S: Final = 15.0
"""A process that was asked to end and has not by then is cancelled; supervisors should wait longer than this."""

HEALTH_FRESH_FOR_S: Final = 0.2
"""A look at a process's health may cost as much as a payment; a prober does not notice that it is so much older."""

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a process does its work now; `details` says what an operator would ask next, in JSON values."""

    ready: bool
    details: dict[str, Any] = {}


class Health(Protocol):
    """What a part of the house says of itself; it has more fields than this one."""

    @property
    def ready(self) -> bool: ...


def shared_health(health: Callable[[], Awaitable[HealthReport]]) -> SharedLook[HealthReport]:
    """`health`, looked at for all who ask within a moment."""
    return SharedLook(health, fresh_for_s=HEALTH_FRESH_FOR_S)


def health_details(health: Health) -> HealthReport:
    """The health of a part as a process reports it: its `ready`, and all else it says as details."""
    return HealthReport(ready=health.ready, details=msgspec.to_builtins(health, str_keys=True))


class OpsServer(uvicorn.Server):
    """An HTTP server that leaves the process's signals alone, and tells once it listens, and once it ends."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_listening: Callable[[], object] = lambda: None,
        on_ending: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._on_listening = on_listening
        self._on_ending = on_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so; a port that is in use ends the process."""
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, and let those under way have their answer, each the last on its connection."""
        self._on_ending()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def ops_application(
    health: Callable[[], Awaitable[HealthReport]], exposition: Exposition
) -> Callable[..., Awaitable[None]]:
    """The ASGI application of `/health/live`, `/health/ready` (200 or 503) and `/metrics`; anything else is 404."""
    health = shared_health(health)

    async def answer(path: str) -> tuple[int, bytes, bytes]:
        match path:
            case "/health/live":
                return 200, b"application/json", b'{"live":true}'
            case "/health/ready":
                report = await health()
                return 200 if report.ready else 503, b"application/json", msgspec.json.encode(report, enc_hook=str)
            case "/metrics":
                return 200, CONTENT_TYPE.encode(), await exposition.text()
            case _:
                return 404, b"application/json", b'{"title":"Not Found","status":404}'

    async def application(scope: Mapping[str, Any], _receive: Receive, send: Send) -> None:
        status, content_type, body = await answer(scope["path"])
        headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


def stop_on_signals() -> asyncio.Event:
    """An event that is set when the process is asked to end."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for asked in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(asked, stopping.set)
    return stopping


async def serve(
    name: str,
    ops_port: int,
    run: Callable[[asyncio.Event], Awaitable[None]],
    health: Callable[[], Awaitable[HealthReport]],
    *,
    ops_host: str = "127.0.0.1",
    exposition: Exposition | None = None,
    settings: Settings | None = None,
) -> None:
    """Run `run` until it returns or the process is asked to end (SIGTERM, SIGINT), with its health on `ops_port`.

    `run` gets an event that is set when it should finish; 15 s later it is cancelled. Whatever it raises is raised, so
    that `guilder run` logs it once and ends with a failure. Traces are written as `settings` say.
    """
    settings = Settings() if settings is None else settings
    configure_logging(name, secrets=secrets_of(settings))
    tracing = start_tracing(name, settings.telemetry, folder=settings.home / "logs")
    log = structlog.get_logger(name)
    stopping = stop_on_signals()
    ops = ops_application(health, Exposition() if exposition is None else exposition)
    config = server_config(ops, ops_host, ops_port, with_files_for(HttpLimits()))
    server = OpsServer(config, lambda: log.info("started", ops_port=ops_port))
    serving = asyncio.create_task(server.serve(), name="ops")
    work = asyncio.ensure_future(run(stopping))
    stop_asked = asyncio.create_task(stopping.wait(), name="stop asked")
    try:
        # A server that cannot listen ends the process by itself, so it need not be waited for here.
        await asyncio.wait([work, stop_asked], return_when=asyncio.FIRST_COMPLETED)
        await finish(work)
        log.info("ended")
    finally:
        server.should_exit = True
        stop_asked.cancel()
        work.cancel()
        await asyncio.gather(work, serving, stop_asked, return_exceptions=True)
        if tracing is not None:
            await asyncio.to_thread(tracing.shutdown)


async def finish(work: "asyncio.Future[None]") -> None:
    """Give `work` its time to finish, then cancel it; raises what it raised."""
    done, _ = await asyncio.wait([work], timeout=STOP_WITHIN_S)
    if done:
        work.result()
