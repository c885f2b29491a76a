"""A whole installation, the merchants of it, and a second API process beside its own."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from bootstrap.local_stack.guilder_service import is_healthy
from bootstrap.local_stack.ports import choose
from tests.campaign.installation import Installation, shared_installation
from tests.command_api.conversation import Client

LISTENS_WITHIN_S = 60.0


@pytest.fixture(scope="package")
def installation() -> Installation:
    """All processes as `guilder up` runs them; that of the campaigns, where they have run before."""
    return shared_installation()


@pytest.fixture(scope="package")
def second_api(installation: Installation) -> Iterator[str]:
    """The address of another API process on the same log, as behind a load balancer."""
    port = choose([])
    environment = {**installation.environment, "GUILDER_API__PORT": str(port)}
    with (installation.home / "logs" / "second_api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bootstrap.cli", "run", "api"],
            env=environment,
            cwd=installation.home,
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + LISTENS_WITHIN_S
            while not is_healthy(port):
                assert process.poll() is None, "the second API process has ended"
                assert time.monotonic() < deadline, "the second API process does not answer"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest_asyncio.fixture(scope="package")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(scope="package")
async def demo(installation: Installation, http: httpx.AsyncClient) -> Client:
    """The demo merchant: 2.9 % + 30 minor units, funds available after 5 scaled seconds."""
    return Client(http, installation.api, installation.status()["demo"]["api_key"])


async def joined(installation: Installation, http: httpx.AsyncClient, *scopes: str) -> Client:
    """A merchant of its own, registered by the command line, with a key that carries `scopes` (none: the usual)."""
    made = await installation.call("merchant", "create", "--name", "A shop", "--country", "NL")
    wanted = [argument for scope in scopes for argument in ("--scope", scope)]
    key = await installation.call("merchant", "key", "issue", made["merchant_id"], *wanted)
    return Client(http, installation.api, key["api_key"])


@pytest_asyncio.fixture(scope="package")
async def shop(installation: Installation, http: httpx.AsyncClient) -> Client:
    """A merchant without fees."""
    return await joined(installation, http)


@pytest_asyncio.fixture(scope="package")
async def stranger(installation: Installation, http: httpx.AsyncClient) -> Client:
    """Another merchant, whose key may only read payments and the books of the whole."""
    return await joined(installation, http, "payments:read", "audit:read")
