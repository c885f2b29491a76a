"""How the bench's own servers are served: with the very server, loop and settings of the API process."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn
import uvloop

from bootstrap.http_server import server_config
from bootstrap.local_stack.ports import LOOPBACK
from bootstrap.processes.api import settle_memory

Application = Callable[[Any, Any, Any], Awaitable[None]]


def serve(application: AbstractAsyncContextManager[Any]) -> None:
    """Serve on the port that the command line names until SIGTERM."""
    uvloop.run(_serve(application, int(sys.argv[1])))


async def _serve(application: AbstractAsyncContextManager[Any], port: int) -> None:
    async with application as app:
        server = uvicorn.Server(server_config(app, LOOPBACK, port))
        settle_memory()
        await server.serve()
