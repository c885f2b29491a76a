"""How a record travels on the topic `payments.events.v1`: partition = shard, key = stream id, value = wire frame.

Headers are UTF-8 text: numbers decimal, ids 36-character UUIDs, hashes lower-case hex; null has no header.
"""

from collections.abc import Iterable
from uuid import UUID

from schemas.envelope import decode_envelope
from schemas.records import Record

TOPIC = "payments.events.v1"


def key_of(record: Record) -> bytes:
    """The record's Kafka key."""
    return str(record.stream_id).encode()


def headers_of(record: Record) -> list[tuple[str, bytes]]:
    """The record's Kafka headers, in a fixed order."""
    envelope = decode_envelope(record.metadata)
    optional = (
        ("correlation-id", envelope.correlation_id),
        ("causation-id", envelope.causation_id),
        ("traceparent", envelope.traceparent),
    )
    return [
        ("event-id", str(record.event_id).encode()),
        ("event-type", record.type.encode()),
        ("position", str(record.position).encode()),
        ("version", str(record.version).encode()),
        ("merchant-id", str(envelope.merchant_id).encode()),
        ("recorded-at", str(record.recorded_at).encode()),
        ("record-hash", record.record_hash.hex().encode()),
        ("metadata", record.metadata),
        *((name, str(value).encode()) for name, value in optional if value is not None),
    ]


def record_of(partition: int, key: bytes, value: bytes, headers: Iterable[tuple[str, bytes]]) -> Record:
    """The record that a Kafka message carries.

    Raises:
        KeyError: a header that every record has is missing; the message was not written by the relay.
        ValueError: a header's text is not of its form.
    """
    named = dict(headers)
    return Record(
        shard=partition,
        position=int(named["position"]),
        stream_id=UUID(key.decode()),
        version=int(named["version"]),
        event_id=UUID(named["event-id"].decode()),
        type=named["event-type"].decode(),
        payload=value,
        metadata=named["metadata"],
        command_key=None,
        request_hash=None,
        record_hash=bytes.fromhex(named["record-hash"].decode()),
        recorded_at=int(named["recorded-at"]),
    )
