"""Keeps the read models current: the live generation of every projection, each shard in one transaction a batch."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from processors.log_consumer.handler import PositionGap
from projections import checkpoints
from projections.projection import Projection
from schemas.records import Record

NAME: Final = "projector"
POOL_SIZE: Final = 5
STATEMENT_TIMEOUT_S: Final = 20.0


async def open_pool(dsn: str) -> Any:
    """Connections for the projector, as the role that owns the read models.

    A commit does not wait for the disk: rows and checkpoint go together, so what a crash of PostgreSQL takes back is
    read again from the topic, and the log itself is never written from here.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=POOL_SIZE,
        command_timeout=STATEMENT_TIMEOUT_S,
        server_settings={
            "role": "guilder_projections",
            "application_name": "guilder-projector",
            "synchronous_commit": "off",
            # A process that freezes inside a transaction gives up its checkpoints to the one that takes over.
            "idle_in_transaction_session_timeout": "10000",
        },
    )


class Projector:
    """The `BatchHandler` of all live projections. One that cannot go on halts the shard for all of them."""

    name = NAME

    def __init__(self, pool: Any, projections: Sequence[Projection]) -> None:
        self._pool = pool
        self._projections = tuple(projections)

    async def positions(self, shards: Sequence[int]) -> dict[int, int]:
        """What all live projections have reached, for each shard."""
        names = [projection.name for projection in self._projections]
        async with self._pool.acquire() as connection:
            return dict(await checkpoints.live_positions(connection, names, shards))

    async def handle(self, shard: int, records: Sequence[Record]) -> int:
        """Apply the records of one shard to every live projection that has not got them.

        Raises:
            PositionGap: the first record that a projection lacks does not follow its checkpoint.
        """
        events = [record.decoded() for record in records]
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                return await checkpoints.apply_to_live(connection, self._projections, shard, events)
        except checkpoints.PositionGap as gap:
            raise PositionGap(gap.expected, gap.got) from gap
