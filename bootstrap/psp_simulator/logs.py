"""The simulator's own log: one JSON object a line to standard output, from structlog and the standard library alike.

The lines have the shape of those of the processes beside it. What makes them is said here once more, because a stranger
to the house imports none of it; a test holds the two together.
"""

import logging
import sys
from typing import Any, Final

import msgspec
import structlog

NAME: Final = "psp-simulator"
REDACTED: Final = "[redacted]"
SHORTEST_SECRET: Final = 6


def log_formatter(key: str) -> logging.Formatter:
    """Renders what anybody logs in this process; the Bearer `key` is taken out of the finished line.

    One that is too short to be told from ordinary words stays, as it does in the other processes.
    """
    as_written = msgspec.json.encode(key).decode()[1:-1]

    def render(value: Any, **_: Any) -> str:
        line = msgspec.json.encode(value, enc_hook=str).decode()
        return line if len(key) < SHORTEST_SECRET else line.replace(as_written, REDACTED)

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=render),
        ],
    )


def configure_logging(key: str) -> None:
    """Log in JSON from here on, without the Bearer `key`."""
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(log_formatter(key))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # The start and the end are told by `main`; the server's failures are worth a line.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def _shared() -> list[structlog.typing.Processor]:
    def add_process(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = NAME
        return event

    return [
        structlog.contextvars.merge_contextvars,
        add_process,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
