"""An append marks itself in its command's trace where the trace is kept, and is not even wrapped where nothing is."""

from collections.abc import Iterator
from uuid import UUID

import msgspec
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from event_store.appends import Append, Appended, NewEvent, VersionConflict
from event_store.record_hashes import NO_PREDECESSOR
from event_store.traced_appends import traced
from event_store.tracing import TRACING
from schemas.identifiers import Prefix, public_id
from tests.processors.log_writer import make_record
from tests.projections.history import History

KEPT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STREAM = UUID(int=5)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    TRACING.start(provider.get_tracer("test"))
    yield exporter
    TRACING.stop()


async def stored(_: Append) -> Appended:
    return Appended((make_record(1, 7),))


async def lost(command: Append) -> Appended:
    raise VersionConflict(command.stream_id, 0)


def command(traceparent: str | None) -> Append:
    envelope = msgspec.structs.replace(History().envelope(1), traceparent=traceparent, correlation_id=UUID(int=9))
    event = NewEvent(UUID(int=1), "PaymentIntentCreated", b"", envelope.canonical())
    return Append(STREAM, 0, NO_PREDECESSOR, (event,))


def test_where_nothing_is_traced_an_append_is_itself() -> None:
    assert traced(stored) is stored


@pytest.mark.parametrize("traceparent", [None, KEPT.removesuffix("01") + "00"])
async def test_a_trace_that_is_not_kept_has_no_span(spans: InMemorySpanExporter, traceparent: str | None) -> None:
    await traced(stored)(command(traceparent))
    assert spans.get_finished_spans() == ()


async def test_an_append_hangs_below_its_commands_request_and_names_its_payment(spans: InMemorySpanExporter) -> None:
    await traced(stored)(command(KEPT))
    [span] = spans.get_finished_spans()
    assert span.parent is not None
    assert (span.name, span.parent.span_id) == ("append", 0xB7AD6B7169203331)
    assert dict(span.attributes or {}) == {
        "merchant_id": public_id(Prefix.MERCHANT, History().merchant_id),
        "payment_intent_id": public_id(Prefix.PAYMENT_INTENT, STREAM),
        "correlation_id": str(UUID(int=9)),
        "event_types": "PaymentIntentCreated",
        "shard": 1,
        "position": 7,
    }


async def test_of_what_an_append_raises_only_the_kind_is_told(spans: InMemorySpanExporter) -> None:
    with pytest.raises(VersionConflict):
        await traced(lost)(command(KEPT))
    [span] = spans.get_finished_spans()
    assert (span.attributes or {})["raised"] == "VersionConflict"
    assert (span.status.is_ok, span.status.description, span.events) == (False, None, ())


def test_what_hangs_below_nothing_is_not_marked(spans: InMemorySpanExporter) -> None:
    with TRACING.part("psp authorize", {}):
        assert TRACING.traceparent() is None
    assert spans.get_finished_spans() == ()
