"""The API's process while it opens the log, and once it serves."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bootstrap.local_stack import ports
from bootstrap.processes.api import GC_THRESHOLDS, application
from tests.command_api.conversation import settings_for
from tests.conftest import TEST_SHARDS

REPOSITORY = Path(__file__).parents[3]
# Its own collector can only be asked about inside a process.
PROCESS = """
import asyncio, gc, os, signal
from bootstrap.processes.api import run
from bootstrap.settings import Settings

async def main():
    settings = Settings()
    serving = asyncio.create_task(run(settings))
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", settings.api.port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            print("collector", *gc.get_threshold(), gc.get_freeze_count() > 10_000)
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


def test_its_collector_comes_seldom_and_leaves_alone_what_lives_from_the_start(database: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "GUILDER_HOME": str(tmp_path),
        "GUILDER_POSTGRES__DSN": database,
        "GUILDER_SHARDS": str(TEST_SHARDS),
        "GUILDER_API__PORT": str(ports.choose([])),
    }
    command = [sys.executable, "-c", PROCESS]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    [told] = [line for line in ran.stdout.splitlines() if line.startswith("collector ")]
    assert told == f"collector {' '.join(map(str, GC_THRESHOLDS))} True"
