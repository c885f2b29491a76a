"""A record on the topic says everything the store says, but for what only the store needs."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.codec import encode
from schemas.envelope import Actor, Envelope
from schemas.events import PaymentCanceled
from schemas.kafka_record import headers_of, key_of, record_of
from schemas.records import Record
from tests.schemas.events import any_event

MERCHANT = UUID(int=2)
ENVELOPE = Envelope(
    effective_at=1_790_000_000_000,
    merchant_id=MERCHANT,
    livemode=True,
    currency="EUR",
    actor=Actor(type="api_key", id="key_1"),
    source="http",
    correlation_id=UUID(int=3),
    causation_id=UUID(int=4),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
RECORD = Record(
    shard=5,
    position=17,
    stream_id=UUID(int=6),
    version=2,
    event_id=UUID(int=7),
    type="PaymentCanceled",
    payload=encode(PaymentCanceled(reason="why")),
    metadata=ENVELOPE.canonical(),
    command_key=UUID(int=8),
    request_hash=b"\x01" * 32,
    record_hash=b"\xab" * 32,
    recorded_at=1_790_000_000_123,
)


def travelled(record: Record) -> Record:
    return record_of(record.shard, key_of(record), record.payload, headers_of(record))


def test_headers_are_text_of_the_forms_the_contract_names() -> None:
    assert headers_of(RECORD) == [
        ("event-id", b"00000000-0000-0000-0000-000000000007"),
        ("event-type", b"PaymentCanceled"),
        ("position", b"17"),
        ("version", b"2"),
        ("merchant-id", b"00000000-0000-0000-0000-000000000002"),
        ("recorded-at", b"1790000000123"),
        ("record-hash", b"ab" * 32),
        ("metadata", ENVELOPE.canonical()),
        ("correlation-id", b"00000000-0000-0000-0000-000000000003"),
        ("causation-id", b"00000000-0000-0000-0000-000000000004"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ]
    assert key_of(RECORD) == b"00000000-0000-0000-0000-000000000006"


def test_null_has_no_header() -> None:
    bare = replace(ENVELOPE, correlation_id=None, causation_id=None, traceparent=None)
    names = {name for name, _ in headers_of(replace(RECORD, metadata=bare.canonical()))}
    assert not names & {"correlation-id", "causation-id", "traceparent"}


@given(any_event, st.integers(1, 2**62), st.integers(1, 2**31), st.binary(min_size=32, max_size=32))
def test_a_record_comes_back_but_for_what_stays_in_the_store(
    event: PaymentCanceled, position: int, version: int, record_hash: bytes
) -> None:
    record = replace(
        RECORD,
        type=type(event).__name__,
        payload=encode(event),
        position=position,
        version=version,
        record_hash=record_hash,
    )
    back = travelled(record)
    assert back == replace(record, command_key=None, request_hash=None)
    assert back.decoded() == record.decoded()
    assert back.decoded().event == event
    assert back.decoded().envelope == ENVELOPE


@pytest.mark.parametrize(
    "name", ["event-id", "event-type", "position", "version", "recorded-at", "record-hash", "metadata"]
)
def test_a_message_without_a_header_that_all_have_is_none_of_ours(name: str) -> None:
    headers = [(key, value) for key, value in headers_of(RECORD) if key != name]
    with pytest.raises(KeyError):
        record_of(5, key_of(RECORD), RECORD.payload, headers)


@pytest.mark.parametrize(("name", "text"), [("position", b"x"), ("event-id", b"7"), ("record-hash", b"zz")])
def test_a_header_of_another_form_is_refused(name: str, text: bytes) -> None:
    headers = [(key, text if key == name else value) for key, value in headers_of(RECORD)]
    with pytest.raises(ValueError, match=r".+"):
        record_of(5, key_of(RECORD), RECORD.payload, headers)
