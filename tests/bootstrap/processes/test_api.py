"""The API's process while it opens the log."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from bootstrap.processes.api import application
from tests.command_api.conversation import settings_for


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
