"""The store and idempotency oracles: is what was acknowledged on disk, once, and does the log hold together?

They look at the rows themselves and work out keys and hashes again, so they do not believe the code that wrote them.
"""

import hashlib
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

import asyncpg

from schemas.codec import schema_of
from schemas.events import PaymentIntentCreated
from schemas.framing import digest
from schemas.identifiers import Prefix, parse_public_id, shard_of
from schemas.records import Record

NO_PREDECESSOR = bytes(32)


async def keys_on_disk(dsn: str) -> dict[UUID, int]:
    """How often each command key stands in the log."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT command_key, count(*) AS times FROM events WHERE command_key IS NOT NULL GROUP BY command_key"
        )
    finally:
        await connection.close()
    return {row["command_key"]: row["times"] for row in rows}


def http_command_key(merchant_id: str, idempotency_key: str) -> UUID:
    """The key of a test-mode HTTP command, by the contract: merchant's 16 bytes, mode, idempotency key."""
    merchant = parse_public_id(Prefix.MERCHANT, merchant_id).bytes
    framed = b"guilder/command/v1\0"
    for part in (merchant, b"test", idempotency_key.encode()):
        framed += len(part).to_bytes(4) + part
    return UUID(bytes=hashlib.sha256(framed).digest()[:16])


def faults_of_acknowledgements(sent: list[tuple[str, str, bool]], on_disk: dict[UUID, int]) -> list[str]:
    """What was acknowledged and is not there, or there twice; `sent` is (merchant, idempotency key, acknowledged)."""
    faults = []
    for merchant_id, key, acknowledged in sent:
        times = on_disk.get(http_command_key(merchant_id, key), 0)
        if acknowledged and times != 1:
            faults.append(f"{key} was acknowledged and stands {times} times in the log")
        if times > 1:
            faults.append(f"{key} stands {times} times in the log")
    return faults


def faults_of_references(records: dict[int, list[Record]]) -> list[str]:
    """Payment intents that exist twice: every request that created one bore a reference of its own."""
    references: Counter[tuple[UUID, str]] = Counter()
    for shard_records in records.values():
        for record in shard_records:
            if record.type == "PaymentIntentCreated":
                recorded = record.decoded()
                assert isinstance(recorded.event, PaymentIntentCreated)
                if recorded.event.reference:
                    references[recorded.envelope.merchant_id, recorded.event.reference] += 1
    return [f"{reference} was created {times} times" for (_, reference), times in references.items() if times > 1]


def faults_of_log(records: dict[int, list[Record]]) -> list[str]:
    """Gaps, wrong shards, times that run backwards, versions out of turn and hashes that do not chain."""
    faults = []
    for shard, shard_records in records.items():
        versions: dict[UUID, int] = defaultdict(int)
        hashes: dict[UUID, bytes] = defaultdict(lambda: NO_PREDECESSOR)
        latest = 0
        for expected_position, record in enumerate(shard_records, start=1):
            where = f"shard {shard}, position {record.position}"
            if record.position != expected_position:
                faults.append(f"{where}: {expected_position} was next")
            if shard_of(record.stream_id) != shard or shard_of(record.event_id) != shard:
                faults.append(f"{where}: an id of another shard")
            if record.version != versions[record.stream_id] + 1:
                faults.append(f"{where}: version {record.version} after {versions[record.stream_id]}")
            if record.recorded_at < latest:
                faults.append(f"{where}: recorded before its predecessor")
            chained = digest(
                "guilder/record/v1",
                hashes[record.stream_id],
                record.stream_id,
                record.version,
                record.event_id,
                record.type,
                schema_of(record.payload).sha256,
                record.payload,
                record.metadata,
                record.command_key,
                record.request_hash,
            )
            if chained != record.record_hash:
                faults.append(f"{where}: the record hash does not follow from the record and its predecessor")
            versions[record.stream_id] = record.version
            hashes[record.stream_id] = record.record_hash
            latest = record.recorded_at
    return faults
