"""Shards that a consumer has stopped at, in PostgreSQL, where `guilder dead-letters` lists and redrives them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.clock import Clock

REASON_LENGTH: Final = 2000

_HALT: Final = """
    INSERT INTO halted_shards (projection, shard, position, reason, since) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (projection, shard) DO UPDATE SET position = excluded.position, reason = excluded.reason
"""


class HaltedShard(msgspec.Struct, frozen=True, kw_only=True):
    """A shard that the consumer `projection` stopped at `position`, at `since` (Unix ms)."""

    projection: str
    shard: int
    position: int
    reason: str
    since: int


async def halted_shards(pool: Any) -> list[HaltedShard]:
    """Every halted shard of every consumer."""
    rows = await pool.fetch(
        "SELECT projection, shard, position, reason, since FROM halted_shards ORDER BY projection, shard"
    )
    return [HaltedShard(**dict(row)) for row in rows]


async def resume(pool: Any, projection: str, shard: int) -> bool:
    """Let a halted shard go on from its checkpoint, within about a second; false when it is not halted."""
    answer = await pool.fetchval(
        "DELETE FROM halted_shards WHERE projection = $1 AND shard = $2 RETURNING true", projection, shard
    )
    return answer is True


class HaltedShards:
    """The rows of one consumer. Taking a row away is what resumes its shard, so a restart does not."""

    def __init__(self, pool: Any, projection: str, clock: Clock) -> None:
        self._pool = pool
        self._projection = projection
        self._clock = clock

    async def among(self, shards: Sequence[int]) -> set[int]:
        """Those of `shards` that are halted."""
        rows = await self._pool.fetch(
            "SELECT shard FROM halted_shards WHERE projection = $1 AND shard = ANY ($2::integer[])",
            self._projection,
            list(shards),
        )
        return {row["shard"] for row in rows}

    async def add(self, shard: int, position: int, reason: str) -> None:
        """Note that `position` of `shard` could not be applied, and why."""
        text = reason.replace("\x00", "")[:REASON_LENGTH]
        await self._pool.execute(_HALT, self._projection, shard, position, text, self._clock.now_ms())
