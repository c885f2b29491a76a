"""What a generation holds, as one hash per table and shard: equal digests mean equal rows, to the last byte.

The bytes are those of PostgreSQL's binary COPY of the rows in the order of their key.
"""

import hashlib
from typing import Any

import msgspec

from projections.projection import Projection
from schemas.framing import digest


class ShardDigest(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of one shard of a generation at `position`; `tables` has SHA-256 in lower-case hex by table."""

    shard: int
    position: int
    tables: dict[str, str]

    @property
    def whole(self) -> str:
        """One hash over all tables, in lower-case hex."""
        flat = [text for pair in self.tables.items() for text in pair]
        return digest("guilder/projection/v1", self.shard, self.position, *flat).hex()


async def shard_digest(connection: Any, projection: Projection, schema: str, shard: int, position: int) -> ShardDigest:
    """Digest one shard of the generation in `schema`, which stands at `position` in the transaction's snapshot."""
    tables = {}
    for table in projection.digested:
        sha256 = hashlib.sha256()

        async def absorb(chunk: bytes, into: Any = sha256) -> None:
            into.update(chunk)

        query = f"SELECT * FROM {schema}.{table.name} WHERE shard = $1 ORDER BY {table.key}"  # noqa: S608 - names of our own
        await connection.copy_from_query(query, shard, output=absorb, format="binary")
        tables[table.name] = sha256.hexdigest()
    return ShardDigest(shard=shard, position=position, tables=tables)
