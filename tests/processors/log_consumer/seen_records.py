"""A handler that writes down what it was given, with its checkpoint, and fails where it is told to."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from processors.log_consumer import PositionGap
from schemas.records import Record

NAME = "seen"

TABLES = """
    CREATE TABLE seen (shard integer, position bigint, event_id uuid, worker text, PRIMARY KEY (shard, position));
    CREATE TABLE poison (shard integer, position bigint);
    GRANT ALL ON seen, poison TO guilder_app;
"""


class SeenRecords:
    """Applies a record by writing it down; `pause_s` is how long a batch takes."""

    name = NAME

    def __init__(self, pool: Any, *, worker: str = "", pause_s: float = 0) -> None:
        self._pool = pool
        self._worker = worker
        self._pause_s = pause_s
        self.batches: list[dict[int, list[int]]] = []

    async def positions(self, shards: Sequence[int]) -> dict[int, int]:
        rows = await self._pool.fetch(
            "SELECT shard, position FROM checkpoints WHERE projection = $1 AND shard = ANY ($2)", NAME, list(shards)
        )
        return dict.fromkeys(shards, 0) | {row["shard"]: row["position"] for row in rows}

    async def handle(self, shard: int, records: Sequence[Record]) -> int:
        return (await self.handle_together({shard: records}))[shard]

    async def handle_together(self, batches: Mapping[int, Sequence[Record]]) -> Mapping[int, int]:
        self.batches.append({shard: [record.position for record in records] for shard, records in batches.items()})
        async with self._pool.acquire() as connection, connection.transaction():
            done = {
                shard: await self._apply_all(connection, shard, records) for shard, records in sorted(batches.items())
            }
            await asyncio.sleep(self._pause_s)
        return done

    async def _apply_all(self, connection: Any, shard: int, records: Sequence[Record]) -> int:
        await connection.execute("INSERT INTO checkpoints VALUES ($1, 1, $2) ON CONFLICT DO NOTHING", NAME, shard)
        done: int = await connection.fetchval(
            "SELECT position FROM checkpoints WHERE projection = $1 AND shard = $2 FOR UPDATE", NAME, shard
        )
        for record in [record for record in records if record.position > done]:
            if record.position != done + 1:
                raise PositionGap(done + 1, record.position)
            await self._apply(connection, record)
            done = record.position
        await connection.execute(
            "UPDATE checkpoints SET position = $3 WHERE projection = $1 AND shard = $2", NAME, shard, done
        )
        return done

    async def _apply(self, connection: Any, record: Record) -> None:
        if await connection.fetchval(
            "SELECT true FROM poison WHERE shard = $1 AND position = $2", record.shard, record.position
        ):
            raise ValueError(f"position {record.position} is poison")
        await connection.execute(
            "INSERT INTO seen VALUES ($1, $2, $3, $4)", record.shard, record.position, record.event_id, self._worker
        )
