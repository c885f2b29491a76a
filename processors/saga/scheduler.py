"""From the log to the table of steps: batches of records become steps, in one transaction with their shards' checkpoints."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from processors.log_consumer import PositionGap
from processors.saga.cases import follow_cases, opens_case
from processors.saga.connections import lost_connections_are_outages
from processors.saga.decisions import SCHEDULING_TYPES, steps_for
from processors.saga.steps import SCHEDULE, NewStep, as_arrays, schedule
from schemas.clock import Clock
from schemas.records import Record

PROJECTION: Final = "payment_saga"
GENERATION: Final = 1

_POSITIONS: Final = """
SELECT shard, position FROM checkpoints WHERE projection = $1 AND generation = $2 AND shard = ANY ($3::int[])
"""
_LOCK: Final = """
SELECT position FROM checkpoints WHERE projection = $1 AND generation = $2 AND shard = $3 FOR UPDATE
"""
_CREATE: Final = """
INSERT INTO checkpoints (projection, generation, shard) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
# The usual case as one statement, which commits by itself: batches that follow their shard's checkpoint, of whose streams no
# case is open. It does nothing in a shard where that is not so. A step's shard is the fifth of its columns. Checkpoints are
# locked by shard, so that two workers that have the same ones after a rebalance do not wait for each other.
SCHEDULE_AND_MOVE: Final = f"""
WITH due AS (
    SELECT c.shard, n.last
    FROM unnest($15::int[], $16::bigint[], $17::bigint[]) AS n (shard, before, last)
    JOIN checkpoints c ON c.projection = $13 AND c.generation = $14 AND c.shard = n.shard AND c.position = n.before
    WHERE NOT EXISTS (
        SELECT FROM saga_cases k WHERE k.closed_at IS NULL AND k.shard = n.shard AND k.stream_id = ANY ($18::uuid[])
    )
    ORDER BY c.shard FOR UPDATE OF c
), moved AS (
    UPDATE checkpoints AS c SET position = due.last
    FROM due
    WHERE c.projection = $13 AND c.generation = $14 AND c.shard = due.shard
    RETURNING c.shard, c.position
), scheduled AS (
    {SCHEDULE} WHERE shard IN (SELECT moved.shard FROM moved) ON CONFLICT DO NOTHING
)
SELECT shard, position FROM moved
"""  # noqa: S608 - only constants of these modules
_MOVE: Final = "UPDATE checkpoints SET position = $4 WHERE projection = $1 AND generation = $2 AND shard = $3"


class SagaScheduler:
    """The saga's `BatchHandler`: it calls no PSP and decides nothing but which steps are needed, and when.

    `scheduled` is called after a commit that brought steps, so that workers of this process look at once. What is due at
    once is so by `clock`, which is the workers': the log's times are the database's, and may be ahead of it.
    """

    name = PROJECTION

    def __init__(self, pool: asyncpg.Pool, *, clock: Clock, delay_scale: float, scheduled: Callable[[], None]) -> None:
        self._pool = pool
        self._clock = clock
        self._delay_scale = delay_scale
        self._scheduled = scheduled

    async def positions(self, shards: Sequence[int]) -> dict[int, int]:
        """Up to which position each shard is scheduled; 0 for none."""
        with lost_connections_are_outages():
            rows = await self._pool.fetch(_POSITIONS, PROJECTION, GENERATION, list(shards))
        return dict.fromkeys(shards, 0) | {row[0]: row[1] for row in rows}

    async def handle(self, shard: int, records: Sequence[Record]) -> int:
        """Schedule what follows from `records`, in order; those the checkpoint covers are passed over.

        Raises:
            PositionGap: the first record that is not covered is not the next.
        """
        return (await self.handle_together({shard: records}))[shard]

    async def handle_together(self, batches: Mapping[int, Sequence[Record]]) -> Mapping[int, int]:
        """Schedule what follows from the records of some shards: at once where that goes, else shard by shard."""
        with lost_connections_are_outages():
            positions = await self._move_at_once(batches)
            for shard in batches.keys() - positions.keys():
                positions[shard] = await self._apply_with_care(shard, batches[shard])
        return positions

    async def _move_at_once(self, batches: Mapping[int, Sequence[Record]]) -> dict[int, int]:
        """The positions that are committed now, of the shards whose batch could be scheduled so."""
        usual = {
            shard: records
            for shard, records in batches.items()
            if _is_dense(records) and not any(opens_case(record) for record in records)
        }
        if not usual:
            return {}
        steps = [step for records in usual.values() for step in self._steps_for(records)]
        before = [records[0].position - 1 for records in usual.values()]
        last = [records[-1].position for records in usual.values()]
        streams = list({record.stream_id for records in usual.values() for record in records})
        rows = await self._pool.fetch(
            SCHEDULE_AND_MOVE, *as_arrays(steps), PROJECTION, GENERATION, list(usual), before, last, streams
        )
        moved = {row[0]: row[1] for row in rows}
        if any(step.shard in moved for step in steps):
            self._scheduled()
        return moved

    async def _apply_with_care(self, shard: int, records: Sequence[Record]) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            done = await _locked_position(connection, shard)
            fresh = [record for record in records if record.position > done]
            if not fresh:
                return done
            for expected, record in enumerate(fresh, start=done + 1):
                if record.position != expected:
                    raise PositionGap(expected, record.position)
            steps = self._steps_for(fresh)
            await schedule(connection, steps)
            await follow_cases(connection, fresh)
            await connection.execute(_MOVE, PROJECTION, GENERATION, shard, fresh[-1].position)
        if steps:
            self._scheduled()
        return fresh[-1].position

    def _steps_for(self, records: Sequence[Record]) -> list[NewStep]:
        now_ms = self._clock.now_ms()
        return [
            msgspec.structs.replace(step, due_at=min(step.due_at, now_ms)) if step.kind == "call" else step
            for record in records
            if record.type in SCHEDULING_TYPES
            for step in steps_for(record.decoded(), delay_scale=self._delay_scale)
        ]


def _is_dense(records: Sequence[Record]) -> bool:
    return bool(records) and records[-1].position - records[0].position == len(records) - 1


async def _locked_position(connection: Any, shard: int) -> int:
    position: int | None = await connection.fetchval(_LOCK, PROJECTION, GENERATION, shard)
    if position is None:
        await connection.execute(_CREATE, PROJECTION, GENERATION, shard)
        position = await connection.fetchval(_LOCK, PROJECTION, GENERATION, shard)
    assert position is not None
    return position
