"""The API's process while it opens the log, and once it serves."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.local_stack import ports
from bootstrap.merchant_desk import MerchantDesk
from bootstrap.processes import HealthReport
from bootstrap.processes.api import GC_THRESHOLDS, ApiHealth, application
from event_store import EventStore, StoreOptions
from tests.command_api.conversation import CARD, Client, settings_for
from tests.conftest import TEST_SHARDS
from tests.contract.tcp_proxy import proxied

REPOSITORY = Path(__file__).parents[3]
SECRET = "never-shown-4711"  # noqa: S105 - of nobody
# Its own collector can only be asked about inside a process.
PROCESS = """
import asyncio, gc, logging, os, signal
from bootstrap.processes.api import run
from bootstrap.settings import Settings

async def main():
    settings = Settings()
    serving = asyncio.create_task(run(settings))
    while not serving.done():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", settings.api.port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.write(b"GET /health/live HTTP/1.1\\r\\nHost: a\\r\\n" + 10 * b"X: y\\r\\n" + b"\\r\\n")
            print("answer", (await reader.readline()).decode().split()[1])
            writer.close()
            print("collector", *gc.get_threshold(), gc.get_freeze_count() > 10_000)
            logging.getLogger("library").warning("the key is %s", settings.psp_simulator.key)
            os.kill(os.getpid(), signal.SIGTERM)
            break
    await serving

asyncio.run(main())
"""


@pytest.mark.parametrize("answers", ["no", "nothing"])
async def test_it_says_that_it_waits_while_it_waits(answers: str) -> None:
    with socket.socket() as server, capture_logs() as lines:
        server.bind(("127.0.0.1", 0))
        if answers == "nothing":
            server.listen()
        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(2),
                application(settings_for(f"postgresql://guilder@127.0.0.1:{server.getsockname()[1]}/guilder")),
            ):
                pass

    assert [(line["event"], line["log_level"]) for line in lines] == [("waiting for PostgreSQL", "warning")]


async def test_it_does_not_say_so_once_it_works(database: str) -> None:
    with capture_logs() as lines:
        async with application(settings_for(database)):
            await asyncio.sleep(1.1)

    assert lines == []


async def test_it_is_ready_while_the_log_can_be_read(database: str) -> None:
    async with proxied(database) as (proxy, dsn):
        store = await EventStore.open(StoreOptions(dsn=dsn, shards=TEST_SHARDS, reconnect_deadline_s=0.2))
        health = ApiHealth(store)
        try:
            assert await health.report() == HealthReport(ready=True, details={"shards": TEST_SHARDS, "events": 0})
            proxy.refuse = True
            proxy.cut()
            assert await health.report() == HealthReport(ready=False, details={"log": "cannot be read"})
            proxy.refuse = False
            assert (await health.report()).ready
        finally:
            await store.close()


async def test_who_waits_for_an_outcome_is_answered_when_it_is_asked_to_end(database: str, tmp_path: Path) -> None:
    store = await EventStore.open(StoreOptions(dsn=database))
    desk = MerchantDesk(store, SYSTEM_CLOCK, SYSTEM_IDS)
    key = await desk.issue_key(await desk.register("A merchant", "DE"), livemode=False)
    port = ports.choose([])
    api = _started(_environment(database, tmp_path, port), tmp_path)
    try:
        async with httpx.AsyncClient(timeout=40) as http:
            client = Client(http, f"http://127.0.0.1:{port}", key.text)
            await _until_it_serves(client)
            before = await store.heads()
            waiting = asyncio.create_task(client.create(authorize=True, payment_method=CARD, wait=30))
            async with asyncio.timeout(20):
                while await store.heads() == before:  # noqa: ASYNC110 - another process moves them
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)
            api.terminate()
            async with asyncio.timeout(8):
                answer = await waiting
                code = await asyncio.to_thread(api.wait)
            assert (answer.status_code, answer.json()["status"], code) == (202, "processing", 0)
            assert answer.headers["Connection"] == "close"
    finally:
        api.kill()
        api.wait()
        await store.close()


def _started(environment: dict[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "bootstrap.cli", "run", "api"], env=environment, cwd=folder)


async def _until_it_serves(client: Client) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.http.get(f"{client.url}/health/live")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


def _environment(database: str, home: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "GUILDER_HOME": str(home),
        "GUILDER_POSTGRES__DSN": database,
        "GUILDER_SHARDS": str(TEST_SHARDS),
        "GUILDER_API__PORT": str(port),
    }


@pytest.fixture
def told(database: str, tmp_path: Path) -> list[str]:
    """What the process prints of itself, with ten header fields allowed and a secret that it knows."""
    environment = {
        **_environment(database, tmp_path, ports.choose([])),
        "GUILDER_API__LIMITS__MAX_HEADERS": "10",
        "GUILDER_PSP_SIMULATOR__KEY": SECRET,
    }
    command = [sys.executable, "-c", PROCESS]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout.splitlines()


def test_it_serves_as_its_settings_say(told: list[str]) -> None:
    # The collector comes seldom, and leaves alone what lives from the start.
    assert f"collector {' '.join(map(str, GC_THRESHOLDS))} True" in told
    # An eleventh field is one too many.
    assert "answer 431" in told
    [line] = [line for line in told if "the key is" in line]
    assert json.loads(line)["event"] == "the key is [redacted]"
    assert SECRET not in "".join(told)
