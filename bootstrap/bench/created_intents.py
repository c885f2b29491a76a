"""The intents that a row has created, found in the log: whoever sent the requests need not read the answers."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from bootstrap.bench.ground import Merchant
from bootstrap.bench.load import Subject
from schemas.envelope import decode_envelope
from schemas.identifiers import Prefix, public_id

_CREATED: Final = """
    SELECT e.stream_id, e.metadata
    FROM unnest($1::integer[], $2::bigint[]) AS wanted (shard, after)
    JOIN events e ON e.shard = wanted.shard AND e.position > wanted.after
    WHERE e.type = 'PaymentIntentCreated' ORDER BY e.recorded_at, e.shard, e.position
"""


class CreatedIntents:
    """What has been created since `mark`, as subjects for a load of the same merchants."""

    def __init__(self, dsn: str, merchants: Sequence[Merchant]) -> None:
        self._dsn = dsn
        self._bearers = {merchant.id: number for number, merchant in enumerate(merchants)}
        self._heads: Mapping[int, int] = {}

    def mark(self) -> None:
        """Remember where the log ends."""
        rows = asyncio.run(self._fetch("SELECT shard, position FROM heads"))
        self._heads = {row["shard"]: row["position"] for row in rows}

    def since_mark(self) -> tuple[Subject, ...]:
        """Those created since, the oldest first."""
        rows = asyncio.run(self._fetch(_CREATED, list(self._heads), list(self._heads.values())))
        return tuple(
            Subject(self._bearer(row["metadata"]), public_id(Prefix.PAYMENT_INTENT, row["stream_id"])) for row in rows
        )

    def _bearer(self, metadata: bytes) -> int:
        merchant_id = decode_envelope(metadata).merchant_id
        assert merchant_id is not None, "an intent is a merchant's"
        return self._bearers[merchant_id]

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        connection: Any = await asyncpg.connect(self._dsn)
        try:
            rows: list[Any] = await connection.fetch(query, *arguments)
        finally:
            await connection.close()
        return rows
