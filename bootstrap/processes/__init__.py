"""The long-running processes of an installation, one module each, and the frame they share.

Each module has `async def run(settings: Settings) -> None`, called by `guilder run NAME`; it composes its parts and
hands them to `serve`, which gives every process the same logging, signals, health and metrics.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec
import prometheus_client
import structlog
import uvicorn

from bootstrap.http_server import server_config

STOP_WITHIN_S: Final = 15.0
"""A process that was asked to end and has not by then is cancelled; supervisors should wait longer than this."""

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


def health_details(health: Health) -> HealthReport:
    """The health of a part as a process reports it: its `ready`, and all else it says as details."""
    return HealthReport(ready=health.ready, details=msgspec.to_builtins(health, str_keys=True))


def configure_logging(name: str, *, level: int = logging.INFO) -> None:
    """Log one JSON object a line to standard output, from structlog and from the standard library alike."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(
                    serializer=lambda value, **_: msgspec.json.encode(value, enc_hook=str).decode()
                ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The server's own start and end are told by `serve`; its failures are worth a line.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=name)


class OpsServer(uvicorn.Server):
    """An HTTP server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def ops_application(health: Callable[[], Awaitable[HealthReport]]) -> Callable[..., Awaitable[None]]:
    """The ASGI application of `/health/live`, `/health/ready` (200 or 503) and `/metrics`; anything else is 404."""

    async def answer(path: str) -> tuple[int, bytes, bytes]:
        match path:
            case "/health/live":
                return 200, b"application/json", b'{"live":true}'
            case "/health/ready":
                report = await health()
                return 200 if report.ready else 503, b"application/json", msgspec.json.encode(report, enc_hook=str)
            case "/metrics":
                return 200, prometheus_client.CONTENT_TYPE_LATEST.encode(), prometheus_client.generate_latest()
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
) -> None:
    """Run `run` until it returns or the process is asked to end (SIGTERM, SIGINT), with its health on `ops_port`.

    `run` gets an event that is set when it should finish; 15 s later it is cancelled. Whatever it raises is logged
    once and raised, so that the process ends with a failure and is started again.
    """
    configure_logging(name)
    log = structlog.get_logger(name)
    stopping = stop_on_signals()
    server = OpsServer(server_config(ops_application(health), ops_host, ops_port))
    serving = asyncio.create_task(server.serve(), name="ops")
    work = asyncio.ensure_future(run(stopping))
    stop_asked = asyncio.create_task(stopping.wait(), name="stop asked")
    log.info("started", ops_port=ops_port)
    try:
        # A server that cannot listen ends the process by itself, so it need not be waited for here.
        await asyncio.wait([work, stop_asked], return_when=asyncio.FIRST_COMPLETED)
        await finish(work)
        log.info("ended")
    except Exception:
        log.exception("failed")
        raise
    finally:
        server.should_exit = True
        stop_asked.cancel()
        work.cancel()
        await asyncio.gather(work, serving, stop_asked, return_exceptions=True)


async def finish(work: "asyncio.Future[None]") -> None:
    """Give `work` its time to finish, then cancel it; raises what it raised."""
    done, _ = await asyncio.wait([work], timeout=STOP_WITHIN_S)
    if done:
        work.result()
