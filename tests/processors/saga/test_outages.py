"""The PSP dies and comes back, PostgreSQL cuts every connection: what is under way is found out, not guessed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.oracles.psp import faults_of_psp, faults_of_waiting, simulator_log
from tests.processors.saga.harness import CLOCK_SCALE, RunningSaga, is_settled, running_saga, worker_options

TOKENS = ("tok_ok", "tok_timeout_after", "tok_decline", "tok_pending_ok", "tok_slow") * 8
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest_asyncio.fixture
async def mortal_psp(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatorProcess]:
    process = SimulatorProcess(tmp_path_factory.mktemp("mortal_psp"), clock_scale=CLOCK_SCALE)
    await process.start()
    yield process
    process.terminate()


async def assert_nothing_is_lost(saga: RunningSaga, dsn: str, psp: SimulatorProcess, intents: list[Any]) -> None:
    states = [
        await saga.shop.until(intent, lambda state: is_settled(state) or bool(state.open_cases), deadline_s=180)
        for intent in intents
    ]
    assert faults_of_psp(await simulator_log(psp.url), states) == []
    assert await faults_of_waiting(dsn, states) == []
    # How many got through is a matter of speed: on a busy machine the PSP is late and payments are undone. Nothing is lost
    # of any; that one at least is authorized shows that there was something to lose.
    assert any(state.status == "authorized" for state in states)


async def test_a_psp_that_is_killed_and_comes_back(database: str, mortal_psp: SimulatorProcess) -> None:
    async with running_saga(database, mortal_psp.url) as saga:
        intents = []
        for number, token in enumerate(TOKENS):
            intents.append(await saga.shop.order(token))
            if number % 16 == 10:
                mortal_psp.kill()
                await mortal_psp.start()
        await assert_nothing_is_lost(saga, database, mortal_psp, intents)


async def test_a_postgresql_that_cuts_every_connection(database: str, mortal_psp: SimulatorProcess) -> None:
    saw: Any = await asyncpg.connect(database)
    try:
        async with running_saga(database, mortal_psp.url, options=worker_options(lease_s=1.0)) as saga:
            intents = [await saga.shop.order(token) for token in TOKENS]
            for _ in range(4):
                await asyncio.sleep(0.15)
                await saw.execute(CUT)
            await assert_nothing_is_lost(saga, database, mortal_psp, intents)
    finally:
        await saw.close()
