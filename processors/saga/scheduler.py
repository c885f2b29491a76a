"""From the log to the table of steps: a batch of a shard's records becomes steps, with the checkpoint in one transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg

from processors.log_consumer import PositionGap
from processors.saga.cases import follow_cases
from processors.saga.connections import lost_connections_are_outages
from processors.saga.decisions import SCHEDULING_TYPES, steps_for
from processors.saga.steps import NewStep, schedule
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
        async with self._pool.acquire() as connection, connection.transaction():
            done = await _locked_position(connection, shard)
            fresh = [record for record in records if record.position > done]
            if not fresh:
                return done, 0
            for expected, record in enumerate(fresh, start=done + 1):
                if record.position != expected:
                    raise PositionGap(expected, record.position)
            steps = await self._schedule(connection, fresh)
            await connection.execute(_MOVE, PROJECTION, GENERATION, shard, fresh[-1].position)
        return fresh[-1].position, steps

    async def _schedule(self, connection: Any, records: Sequence[Record]) -> int:
        steps: list[NewStep] = []
        for record in records:
            if record.type in SCHEDULING_TYPES:
                steps += steps_for(record.decoded(), delay_scale=self._delay_scale)
        await schedule(connection, steps)
        await follow_cases(connection, records)
        return len(steps)


async def _locked_position(connection: Any, shard: int) -> int:
    position: int | None = await connection.fetchval(_LOCK, PROJECTION, GENERATION, shard)
    if position is None:
        await connection.execute(_CREATE, PROJECTION, GENERATION, shard)
        position = await connection.fetchval(_LOCK, PROJECTION, GENERATION, shard)
    assert position is not None
    return position
