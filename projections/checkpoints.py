"""How far a read model has come, and how events are applied so that each one counts once.

A batch is one transaction, for one shard or for several: lock their live checkpoints, cut what each projection has
already, apply the rest, move the checkpoints. What a process remembers is never trusted: after a rebalance two of them
may hold the same events.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from projections.projection import Projection, schema_name
from schemas.records import Record, RecordedEvent

_LOCK: Final = "SELECT shard, projection, generation, position FROM lock_checkpoints($1::integer[], $2)"
_ADVANCE: Final = """
    UPDATE checkpoints AS c SET position = n.position
    FROM unnest($3::integer[], $4::bigint[]) AS n (shard, position)
    WHERE c.projection = $1 AND c.generation = $2 AND c.shard = n.shard AND c.position < n.position
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


async def lock_checkpoints(
    connection: Any, shards: Sequence[int], projections: Sequence[str]
) -> Mapping[str, Mapping[int, Checkpoint]]:
    """Lock the live checkpoint of each projection in each of `shards` until the transaction ends, in one fixed order.

    The first statement of a transaction that applies events; it also keeps the live generations from being switched.
    """
    rows = await connection.fetch(_LOCK, sorted(shards), sorted(projections))
    locked: dict[str, dict[int, Checkpoint]] = {projection: {} for projection in sorted(projections)}
    for shard, projection, generation, position in rows:
        locked[projection][shard] = Checkpoint(projection, generation, position)
    assert len(rows) == len(projections) * len(shards), f"of {projections} only {list(locked)} are live"
    return locked


async def advance(connection: Any, checkpoint: Checkpoint, positions: Mapping[int, int]) -> None:
    """Move locked checkpoints forward, those of `checkpoint`'s projection and generation: shard → position."""
    await connection.execute(
        _ADVANCE, checkpoint.projection, checkpoint.generation, list(positions), list(positions.values())
    )


async def apply_after(
    connection: Any,
    projection: Projection,
    checkpoints: Mapping[int, Checkpoint],
    logs: Mapping[int, Sequence[Record] | Sequence[RecordedEvent]],
) -> dict[int, int]:
    """Apply what of `logs` (by shard, by ascending position) lies past locked checkpoints, and move the checkpoints.

    They are all of one generation. Of records, only those that the projection has a use for are decoded.

    Returns:
        The positions they stand at now, by shard.

    Raises:
        PositionGap: what follows a checkpoint is not the next one, or not dense.
    """
    reached = {shard: checkpoints[shard].position for shard in logs}
    events: list[RecordedEvent] = []
    moved: dict[int, int] = {}
    for shard, log in logs.items():
        fresh = [item for item in log if item.position > reached[shard]]
        for expected, item in enumerate(fresh, reached[shard] + 1):
            if item.position != expected:
                raise PositionGap(shard, expected, item.position)
            assert item.shard == shard, f"event {item.event_id} is of shard {item.shard}"
            if isinstance(item, RecordedEvent):
                events.append(item)
            elif item.type in projection.event_types:
                events.append(item.decoded())
        if fresh:
            moved[shard] = fresh[-1].position
    if moved:
        checkpoint = next(iter(checkpoints.values()))
        await projection.apply(connection, checkpoint.schema, events)
        await advance(connection, checkpoint, moved)
    return reached | moved


async def apply_to_live(
    connection: Any, projections: Sequence[Projection], logs: Mapping[int, Sequence[RecordedEvent]]
) -> dict[int, int]:
    """Apply events, by shard, to the live generation of each projection, in the caller's transaction.

    Returns:
        The position that all of them have reached, by shard.

    Raises:
        PositionGap: as `apply_after` does; nothing may be committed then.
    """
    by_name = {projection.name: projection for projection in projections}
    locked = await lock_checkpoints(connection, list(logs), list(by_name))
    reached = [await apply_after(connection, by_name[name], locked[name], logs) for name in locked]
    return {shard: min(positions[shard] for positions in reached) for shard in logs}


async def live_positions(connection: Any, projections: Sequence[str], shards: Sequence[int]) -> Mapping[int, int]:
    """The position that the live generations of all these projections have reached, in each of `shards`."""
    rows = await connection.fetch(_LIVE_POSITIONS, list(projections), list(shards))
    found = {row["shard"]: row["position"] for row in rows}
    return {shard: found.get(shard, 0) for shard in shards}
