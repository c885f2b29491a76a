"""From the log to the table of steps: a batch of a shard's records becomes steps, with the checkpoint in one transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg

from processors.log_consumer import PositionGap
from processors.saga.cases import follow_cases, opens_case
from processors.saga.connections import lost_connections_are_outages
from processors.saga.decisions import SCHEDULING_TYPES, steps_for
from processors.saga.steps import SCHEDULE, NewStep, as_arrays, schedule
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
# The usual case as one statement, which commits by itself: the batch follows the checkpoint, and no case of its streams is
# open. Otherwise it changes nothing.
_SCHEDULE_AND_MOVE: Final = f"""
WITH moved AS (
    UPDATE checkpoints SET position = $16
    WHERE projection = $13 AND generation = $14 AND shard = $15 AND position = $17
        AND NOT EXISTS (SELECT FROM saga_cases WHERE closed_at IS NULL AND stream_id = ANY ($18::uuid[]))
    RETURNING true AS moved
), scheduled AS (
    {SCHEDULE} WHERE EXISTS (SELECT FROM moved) ON CONFLICT DO NOTHING
)
SELECT moved FROM moved
"""  # noqa: S608 - only constants of these modules
_MOVE: Final = "UPDATE checkpoints SET position = $4 WHERE projection = $1 AND generation = $2 AND shard = $3"


class SagaScheduler:
    """The saga's `BatchHandler`: it calls no PSP and decides nothing but which steps are needed, and when.

    `scheduled` is called after a commit that brought steps, so that workers of this process look at once.
    """

    name = PROJECTION

    def __init__(self, pool: asyncpg.Pool, *, delay_scale: float, scheduled: Callable[[], None]) -> None:
        self._pool = pool
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
        with lost_connections_are_outages():
            position, steps = await self._apply(shard, records)
        if steps:
            self._scheduled()
        return position

    async def _apply(self, shard: int, records: Sequence[Record]) -> tuple[int, int]:
        """The position that is committed now, and how many steps that brought."""
        if _is_dense(records) and not any(opens_case(record) for record in records):
            steps = self._steps_for(records)
            if await self._move_at_once(shard, records, steps):
                return records[-1].position, len(steps)
        return await self._apply_with_care(shard, records)

    async def _move_at_once(self, shard: int, records: Sequence[Record], steps: Sequence[NewStep]) -> bool:
        first, last = records[0].position, records[-1].position
        place = (PROJECTION, GENERATION, shard, last, first - 1)
        streams = list({record.stream_id for record in records})
        return bool(await self._pool.fetchval(_SCHEDULE_AND_MOVE, *as_arrays(steps), *place, streams))

    async def _apply_with_care(self, shard: int, records: Sequence[Record]) -> tuple[int, int]:
        async with self._pool.acquire() as connection, connection.transaction():
            done = await _locked_position(connection, shard)
            fresh = [record for record in records if record.position > done]
            if not fresh:
                return done, 0
            for expected, record in enumerate(fresh, start=done + 1):
                if record.position != expected:
                    raise PositionGap(expected, record.position)
            steps = self._steps_for(fresh)
            await schedule(connection, steps)
            await follow_cases(connection, fresh)
            await connection.execute(_MOVE, PROJECTION, GENERATION, shard, fresh[-1].position)
        return fresh[-1].position, len(steps)

    def _steps_for(self, records: Sequence[Record]) -> list[NewStep]:
        return [
            step
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
