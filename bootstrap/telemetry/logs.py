"""Logs: one JSON object a line to standard output, from structlog and from the standard library alike, redacted.

A line that concerns a payment names it by `payment_intent_id`, `merchant_id` and `correlation_id`, spelled as the API
and Kafka's headers spell them.
"""

import logging
import sys
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog

from bootstrap.settings import Settings
from bootstrap.telemetry.redaction import Redaction, passwords_in


def secrets_of(settings: Settings) -> list[str]:
    """What this process knows and must never say, whatever it looks like."""
    key, postgres = settings.psp_simulator.key, settings.postgres
    passwords = [*passwords_in(postgres.dsn), *passwords_in(postgres.direct_dsn)]
    return [*([key] if key else []), *dict.fromkeys(passwords)]


def log_formatter(name: str, secrets: Iterable[str] = ()) -> logging.Formatter:
    """Renders what anybody logs in the process `name`; the last that touches a line's values is the redaction."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(name), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            Redaction(secrets),
            structlog.processors.JSONRenderer(serializer=lambda value, **_: msgspec.json.encode(value).decode()),
        ],
    )


def configure_logging(name: str, *, level: int = logging.INFO, secrets: Iterable[str] = ()) -> None:
    """Log as the process `name`."""
    structlog.configure(
        processors=[*_shared(name), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(log_formatter(name, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The server's own start and end are told by `serve`; its failures are worth a line.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def _shared(name: str) -> list[structlog.typing.Processor]:
    def add_process(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = name
        return event

    return [
        structlog.contextvars.merge_contextvars,
        add_process,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
