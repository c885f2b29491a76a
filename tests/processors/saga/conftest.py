"""One simulator, fifty times as fast as life, and one database for the tests that leave both running."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from bootstrap.clock import random_bytes
from migrations import migrate
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.conftest import TEST_SHARDS, with_database
from tests.processors.saga.harness import CLOCK_SCALE, RunningSaga, running_saga


@pytest_asyncio.fixture(scope="session")
async def fast_psp(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatorProcess]:
    process = SimulatorProcess(tmp_path_factory.mktemp("fast_psp"), clock_scale=CLOCK_SCALE)
    await process.start()
    yield process
    process.terminate()


@pytest_asyncio.fixture(scope="session")
async def saga_database(postgres_dsn: str) -> AsyncIterator[str]:
    name = f"guilder_test_{random_bytes(6).hex()}"
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        dsn = with_database(postgres_dsn, name)
        await migrate(dsn, shards=TEST_SHARDS)
        yield dsn
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest_asyncio.fixture
async def saga(saga_database: str, fast_psp: SimulatorProcess) -> AsyncIterator[RunningSaga]:
    async with running_saga(saga_database, fast_psp.url) as running:
        yield running
