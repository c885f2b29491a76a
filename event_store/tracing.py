"""Hops of a command as spans of one trace, where a process traces; nothing but the look at a flag where it does not.

A trace travels as the W3C `traceparent` of each event's envelope, so a hop's parent is found in the log and needs no
context of this process. Only what the first hop sampled is marked.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_HEADER: Final = "traceparent"
_ODD: Final = frozenset("13579bdf")
_UNMARKED: Final = nullcontext()
_propagator: Final = TraceContextTextMapPropagator()

Attributes = Mapping[str, str | int | bool]


def is_sampled(traceparent: str | None) -> bool:
    """Whether a well-formed `traceparent` says that its trace is kept (the lowest bit of its flags)."""
    return traceparent is not None and traceparent[-1] in _ODD


class Tracing:
    """Whether this process traces (`on`), and how a hop is marked. The composition root starts it, before all else."""

    def __init__(self) -> None:
        self.on = False
        self._tracer: Tracer = trace.NoOpTracer()

    def start(self, tracer: Tracer) -> None:
        """Mark hops by `tracer` from now on."""
        self._tracer, self.on = tracer, True

    def stop(self) -> None:
        """Mark nothing any more."""
        self._tracer, self.on = trace.NoOpTracer(), False

    def begin(
        self, name: str, traceparent: str | None, attributes: Attributes, kind: SpanKind = SpanKind.INTERNAL
    ) -> Span | None:
        """A span that began now below `traceparent`, to be ended by the caller; None where the trace is not kept."""
        if not (self.on and is_sampled(traceparent)):
            return None
        above = _propagator.extract({_HEADER: traceparent}, context.Context())
        return self._tracer.start_span(name, context=above, kind=kind, attributes=dict(attributes))

    def hop(
        self, name: str, traceparent: str | None, attributes: Attributes, kind: SpanKind = SpanKind.INTERNAL
    ) -> AbstractContextManager[object]:
        """A span below `traceparent` around a block, which it is current in."""
        span = self.begin(name, traceparent, attributes, kind)
        return _UNMARKED if span is None else _around(span)

    def entry(
        self, name: str, traceparent: str | None, attributes: Attributes, kind: SpanKind = SpanKind.SERVER
    ) -> AbstractContextManager[object]:
        """A span around a block with which a trace begins here, or goes on below a `traceparent` from outside."""
        above = _propagator.extract({} if traceparent is None else {_HEADER: traceparent}, context.Context())
        span = self._tracer.start_span(name, context=above, kind=kind, attributes=dict(attributes))
        return _around(span)

    def part(
        self, name: str, attributes: Attributes, kind: SpanKind = SpanKind.INTERNAL
    ) -> AbstractContextManager[object]:
        """A span around a block of a hop, below the span that is current; none where there is none."""
        if not (self.on and trace.get_current_span().is_recording()):
            return _UNMARKED
        return _around(self._tracer.start_span(name, kind=kind, attributes=dict(attributes)))

    def note(self, **attributes: str | int | bool) -> None:
        """Say more of the span that is current, if any."""
        if self.on:
            trace.get_current_span().set_attributes(attributes)

    def traceparent(self) -> str | None:
        """The `traceparent` that makes others' spans hang below the current one; None where nothing is marked."""
        if not self.on:
            return None
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get(_HEADER)


@contextmanager
def _around(span: Span) -> Iterator[None]:
    """Make a span current for a block and end it. Of what a block raises only the kind is told: its text may be anyone's."""
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            span.set_attribute("raised", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise


TRACING: Final = Tracing()
"""This process's. A flag of the process and no argument, because it is looked at where nothing else may cost."""
