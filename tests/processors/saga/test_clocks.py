"""Clocks that differ or are set: a payment waits for the PSP, never for a clock."""

from typing import Any

import asyncpg

from bootstrap.clock import SYSTEM_CLOCK
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.processors.saga.harness import SHARD, RunningSaga, running_saga

HOUR_MS = 3_600_000


class SlowClock:
    """An hour behind the database's."""

    def now_ms(self) -> int:
        return SYSTEM_CLOCK.now_ms() - HOUR_MS


async def carry_through(saga: RunningSaga) -> str:
    intent = await saga.shop.order()
    await saga.shop.settled(intent, deadline_s=15)
    await saga.shop.capture(intent)
    return (await saga.shop.settled(intent, deadline_s=15)).status


async def test_a_saga_whose_clock_is_behind_carries_payments_through(database: str, fast_psp: SimulatorProcess) -> None:
    async with running_saga(database, fast_psp.url, clock=SlowClock()) as saga:
        assert await carry_through(saga) == "captured"


async def test_a_database_whose_clock_was_ahead_once_delays_no_payment(
    database: str, fast_psp: SimulatorProcess
) -> None:
    owner: Any = await asyncpg.connect(database)
    try:
        # Times of a shard's log never run back, so that it stays ahead for an hour.
        await owner.execute(
            "UPDATE heads SET recorded_at = $2 WHERE shard = $1", SHARD, SYSTEM_CLOCK.now_ms() + HOUR_MS
        )
    finally:
        await owner.close()
    async with running_saga(database, fast_psp.url) as saga:
        assert await carry_through(saga) == "captured"
