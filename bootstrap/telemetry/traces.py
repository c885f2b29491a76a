"""Traces: one command followed from HTTP to the ledger, by OpenTelemetry, and free when it is off.

A sampled request becomes a span whose context travels on as W3C `traceparent`: in the request's headers to the
handlers, from there in the envelope of every event the command causes, in the relay's headers to Kafka and in the
saga's to the PSP. Spans are written as JSON lines to a file, and to a collector where one is named; each is a line in
the log too, so that a payment whose trace is kept can be followed by its id in either.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from bootstrap.log_files import keep_short
from bootstrap.settings import TelemetrySettings
from event_store.tracing import TRACING

_EXPORT_WITHIN_S: Final = 5
_WRITTEN_WITHIN_MS: Final = 1_000
_NS_PER_MS: Final = 1_000_000

_log = structlog.get_logger(__name__)


class SpanLines(SpanProcessor):
    """Tells the log of each span that ends; only traces that are kept have any."""

    def on_end(self, span: ReadableSpan) -> None:
        """Log the hop, its trace and whom it concerns."""
        if span.context is None or span.start_time is None or span.end_time is None:
            return
        _log.info(
            span.name,
            trace_id=trace.format_trace_id(span.context.trace_id),
            duration_ms=round((span.end_time - span.start_time) / _NS_PER_MS, 3),
            **dict(span.attributes or {}),
        )


class SpanText(ConsoleSpanExporter):
    """Writes spans as JSON lines to `spans`; the file at `path`, where it is one, is kept short."""

    def __init__(self, spans: TextIO, path: Path | None = None) -> None:
        super().__init__(out=spans, formatter=_as_line)
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write them, and set an overgrown file aside."""
        result = super().export(spans)
        if self._path is not None:
            keep_short(self._path)
        return result

    def shutdown(self) -> None:
        """Close the file."""
        if self._path is not None:
            self.out.close()


def tracer_provider(
    process: str, spans: TextIO, otlp_endpoint: str | None = None, *, path: Path | None = None
) -> TracerProvider:
    """A provider that writes spans to `spans`, one JSON line each, and sends them to the collector that is named.

    `path` is that of `spans`, where they are a file that is to be kept short.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"guilder-{process}"}), sampler=ParentBased(ALWAYS_ON)
    )
    provider.add_span_processor(SpanLines())
    provider.add_span_processor(_batched(SpanText(spans, path)))
    if otlp_endpoint is not None:
        # Its HTTP client takes a quarter of a second to import: only where it is wanted.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_WITHIN_S)
        provider.add_span_processor(_batched(exporter))
    return provider


def _batched(exporter: SpanExporter) -> SpanProcessor:
    return BatchSpanProcessor(exporter, schedule_delay_millis=_WRITTEN_WITHIN_MS)


def _as_line(span: ReadableSpan) -> str:
    line: str = span.to_json(indent=None)
    return line + "\n"


def start_tracing(process: str, settings: TelemetrySettings, *, folder: Path) -> TracerProvider | None:
    """Trace this process into `folder`/traces-`process`.jsonl; None, and no cost, where nothing is sampled."""
    if settings.sampled <= 0:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"traces-{process}.jsonl"
    spans = path.open("a", encoding="utf-8")
    provider = tracer_provider(process, spans, settings.otlp_endpoint, path=path)
    TRACING.start(provider.get_tracer("guilder"))
    _log.info("tracing is on", sampled=settings.sampled, file=spans.name, collector=settings.otlp_endpoint)
    return provider
