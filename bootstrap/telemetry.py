"""Traces: one command followed from HTTP into the log, by OpenTelemetry, and free when it is off.

A sampled request becomes a span whose context travels on as W3C `traceparent`: in the request's headers to the
handlers, from there in the envelope of every event the command causes, and with the relay's headers to Kafka. Spans are
written as JSON lines to a file that any collector can tail.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TextIO

from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

_log = logging.getLogger(__name__)


def _as_line(span: ReadableSpan) -> str:
    line: str = span.to_json(indent=None)
    return line + "\n"


def tracer_provider(process: str, *, sampled: float, spans: TextIO) -> TracerProvider:
    """A provider that writes the given share (0 … 1) of traces to `spans`, one JSON line a span.

    A caller's own sampling decision, told by its `traceparent`, is respected.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"guilder-{process}"}),
        sampler=ParentBased(TraceIdRatioBased(sampled)),
    )
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=spans, formatter=_as_line)))
    return provider


def start_tracing(process: str, *, sampled: float, folder: Path) -> TracerProvider | None:
    """Trace this process into `folder`/traces-`process`.jsonl; None, and no cost, where nothing is sampled."""
    if sampled <= 0:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    # The file lives as long as the process: the provider flushes it at shutdown.
    spans = (folder / f"traces-{process}.jsonl").open("a", encoding="utf-8", buffering=1)
    provider = tracer_provider(process, sampled=sampled, spans=spans)
    trace.set_tracer_provider(provider)
    _log.info("tracing is on", extra={"sampled": sampled, "file": spans.name})
    return provider


def traced(app: _App, provider: TracerProvider | None) -> _App:
    """`app` with a server span around each request; `app` itself where tracing is off.

    The span's context replaces the request's `traceparent`, so whatever the request causes hangs below this span.
    """
    if provider is None:
        return app
    tracer = provider.get_tracer("guilder.http")

    async def traced_app(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with tracer.start_as_current_span(
            f"{scope['method']} {scope['path']}", context=extract(headers), kind=trace.SpanKind.SERVER
        ) as span:

            async def send_and_note(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            carrier: dict[str, str] = {}
            inject(carrier)
            others = [(name, value) for name, value in scope["headers"] if name != b"traceparent"]
            below = [(name.encode(), value.encode()) for name, value in carrier.items()]
            await app({**scope, "headers": others + below}, receive, send_and_note)

    return traced_app
