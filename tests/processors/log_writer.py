"""Writes records straight into the log's tables, as fast as a test needs them and without a store's conscience."""

import hashlib
from typing import Any
from uuid import UUID

import asyncpg

from schemas.codec import encode
from schemas.envelope import Actor, Envelope
from schemas.events.merchant import SettlementDelaySet
from schemas.identifiers import uuid7
from schemas.records import Record

AT_MS = 1_760_000_000_000


def make_record(shard: int, position: int, *, salt: int = 0) -> Record:
    """The record that stands at a position; another `salt` gives another history."""

    def new_id(kind: int) -> UUID:
        seed = f"{kind}/{shard}/{position}/{salt}".encode()
        return uuid7(shard, AT_MS + position, hashlib.sha256(seed).digest()[:8])

    merchant = uuid7(shard, AT_MS, bytes(8))
    envelope = Envelope(
        effective_at=AT_MS + position,
        merchant_id=merchant,
        livemode=None,
        currency=None,
        actor=Actor(type="operator", id="test"),
        source="operator",
        correlation_id=None if position % 2 else new_id(3),
        causation_id=None,
        traceparent=None,
    )
    event_id = new_id(1)
    return Record(
        shard=shard,
        position=position,
        stream_id=new_id(2),
        version=1,
        event_id=event_id,
        type="SettlementDelaySet",
        payload=encode(SettlementDelaySet(delay_s=position)),
        metadata=envelope.canonical(),
        command_key=None,
        request_hash=None,
        record_hash=hashlib.sha256(event_id.bytes).digest(),
        recorded_at=AT_MS + position,
    )


async def append(dsn: str, shard: int, count: int, *, salt: int = 0) -> int:
    """Append `count` records to a shard; the new head."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            head: int = await connection.fetchval("SELECT position FROM heads WHERE shard = $1 FOR UPDATE", shard)
            records = [make_record(shard, head + number, salt=salt) for number in range(1, count + 1)]
            await insert(connection, records)
            await connection.execute("UPDATE heads SET position = $2 WHERE shard = $1", shard, head + count)
    finally:
        await connection.close()
    return head + count


async def insert(connection: Any, records: list[Record]) -> None:
    """Put records where they say they stand."""
    columns = Record.__struct_fields__
    await connection.copy_records_to_table(
        "events", columns=columns, records=[tuple(getattr(record, name) for name in columns) for record in records]
    )


async def set_back(dsn: str, shard: int, to: int) -> None:
    """Make the store forget what follows position `to`, as a restored backup does."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            table = f"events_{shard:04}"
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER refuse_change")
            await connection.execute(f"DELETE FROM {table} WHERE position > $1", to)
            await connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER refuse_change")
            await connection.execute("UPDATE heads SET position = $2 WHERE shard = $1", shard, to)
    finally:
        await connection.close()
