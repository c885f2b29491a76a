"""One simulator for all tests that leave it running, each with references of its own; its clock moves when told to."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.bootstrap.psp_simulator.server import Client, SimulatorProcess


@pytest_asyncio.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatorProcess]:
    process = SimulatorProcess(tmp_path_factory.mktemp("psp_simulator"))
    await process.start()
    yield process
    process.terminate()


@pytest_asyncio.fixture(scope="session")
async def psp(running: SimulatorProcess) -> AsyncIterator[Client]:
    client = Client(running.url)
    yield client
    await client.http.aclose()
