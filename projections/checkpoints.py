"""How far a read model has come, and how events are applied so that each one counts once.

A batch is one transaction: lock the live checkpoints of a shard, cut what each projection has already, apply the rest,
move the checkpoints. What a process remembers is never trusted: after a rebalance two of them may hold the same events.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from projections.projection import Projection, schema_name
from schemas.records import Record, RecordedEvent

_LOCK: Final = "SELECT projection, generation, position FROM lock_checkpoints($1, $2)"
_ADVANCE: Final = """
    UPDATE checkpoints SET position = $4 WHERE projection = $1 AND generation = $2 AND shard = $3 AND position < $4
"""
_LIVE_POSITIONS: Final = """
    SELECT c.shard, min(c.position) AS position
    FROM live l JOIN checkpoints c USING (projection, generation)
    WHERE l.projection = ANY ($1) AND c.shard = ANY ($2)
    GROUP BY c.shard HAVING count(*) = cardinality($1)
"""


class PositionGap(Exception):
    """The next event is not the one after the last that was applied: something between them is missing."""

    def __init__(self, shard: int, expected: int, got: int) -> None:
        super().__init__(f"shard {shard} is to go on at position {expected}, got {got}")
        self.shard = shard
        self.expected = expected
        self.got = got


class Checkpoint(msgspec.Struct, frozen=True):
    """`position` is the last that one generation of a projection has applied in one shard; 0 for none."""

    projection: str
    generation: int
    position: int

    @property
    def schema(self) -> str:
        """The PostgreSQL schema in which that generation lives."""
        return schema_name(self.projection, self.generation)


async def lock_checkpoints(connection: Any, shard: int, projections: Sequence[str]) -> tuple[Checkpoint, ...]:
    """Lock the live checkpoint of each projection in one shard until the transaction ends, by ascending name.

    The first statement of a transaction that applies events; it also keeps the live generations from being switched.
    """
    rows = await connection.fetch(_LOCK, shard, list(projections))
    assert len(rows) == len(projections), f"of {projections} only {[row['projection'] for row in rows]} are live"
    return tuple(Checkpoint(row["projection"], row["generation"], row["position"]) for row in rows)


async def advance(connection: Any, checkpoint: Checkpoint, shard: int, position: int) -> None:
    """Move a locked checkpoint forward to `position`."""
    await connection.execute(_ADVANCE, checkpoint.projection, checkpoint.generation, shard, position)


async def apply_after(
    connection: Any,
    projection: Projection,
    checkpoint: Checkpoint,
    shard: int,
    log: Sequence[Record] | Sequence[RecordedEvent],
) -> int:
    """Apply what of `log` (one shard, by ascending position) lies past a locked checkpoint, and move the checkpoint.

    Of records, only those that the projection has a use for are decoded.

    Returns:
        The position it stands at now.

    Raises:
        PositionGap: the first of them is not the next one, or they are not dense.
    """
    position = checkpoint.position
    fresh = [item for item in log if item.position > position]
    if not fresh:
        return position
    for expected, item in enumerate(fresh, position + 1):
        if item.position != expected:
            raise PositionGap(shard, expected, item.position)
    events = [
        item.decoded() if isinstance(item, Record) else item
        for item in fresh
        if not isinstance(item, Record) or item.type in projection.event_types
    ]
    await projection.apply(connection, checkpoint.schema, shard, events)
    await advance(connection, checkpoint, shard, fresh[-1].position)
    return fresh[-1].position


async def apply_to_live(
    connection: Any, projections: Sequence[Projection], shard: int, events: Sequence[RecordedEvent]
) -> int:
    """Apply events of one shard to the live generation of each projection, in the caller's transaction.

    Returns:
        The position that all of them have reached.

    Raises:
        PositionGap: as `apply_after` does; nothing may be committed then.
    """
    by_name = {projection.name: projection for projection in projections}
    checkpoints = await lock_checkpoints(connection, shard, sorted(by_name))
    reached = [await apply_after(connection, by_name[c.projection], c, shard, events) for c in checkpoints]
    return min(reached)


async def live_positions(connection: Any, projections: Sequence[str], shards: Sequence[int]) -> Mapping[int, int]:
    """The position that the live generations of all these projections have reached, in each of `shards`."""
    rows = await connection.fetch(_LIVE_POSITIONS, list(projections), list(shards))
    found = {row["shard"]: row["position"] for row in rows}
    return {shard: found.get(shard, 0) for shard in shards}
