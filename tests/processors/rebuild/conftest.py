"""A log of several payments in two shards, and the live read models that followed it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from processors.rebuild import open_pool
from projections import PROJECTIONS
from projections.checkpoints import apply_to_live
from schemas.records import RecordedEvent
from tests.projections.history import History, Payment, write_log


def paid_history(shard: int, payments: int) -> History:
    made = History(shard)
    for number in range(payments):
        payment = Payment(f"payment {number}", shard=shard, amount=1000 + number)
        made.add(*payment.paid(f"order-{number}"), stream=payment.name)
        if number % 3 == 0:
            made.add(*payment.refunding(500), stream=payment.name)
    return made


class Log:
    """The log in the database, and the projector that applies it to the live generation."""

    def __init__(self, dsn: str, pool: Any) -> None:
        self.dsn = dsn
        self.pool = pool
        self.histories: dict[int, History] = {}
        self.written: dict[int, int] = {}

    async def write(self, history: History, *, apply: bool = True) -> None:
        start = self.written.get(history.shard, 0)
        self.histories[history.shard] = history
        self.written[history.shard] = len(history.recorded)
        await write_log(self.dsn, history.recorded[start:])
        if apply:
            await self.apply(history.shard, history.recorded[start:])

    async def apply(self, shard: int, events: list[RecordedEvent]) -> int:
        async with self.pool.acquire() as connection, connection.transaction():
            return (await apply_to_live(connection, PROJECTIONS, {shard: events}))[shard]

    async def live(self, projection: str = "ledger") -> int:
        generation: int = await self.pool.fetchval("SELECT generation FROM live WHERE projection = $1", projection)
        return generation

    async def generations(self, projection: str = "ledger") -> list[str]:
        rows = await self.pool.fetch(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE $1 ORDER BY 1", f"{projection}\\_%"
        )
        return [row["nspname"] for row in rows]


@pytest.fixture
async def log(database: str) -> AsyncIterator[Log]:
    pool = await open_pool(database)
    opened = Log(database, pool)
    await opened.write(paid_history(1, 12))
    await opened.write(paid_history(2, 5))
    yield opened
    await pool.close()
