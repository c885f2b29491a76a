"""How every process of the house serves HTTP/1.1: uvicorn with httptools, and limits on what a client may occupy.

Start reading at `server_config`; `guarded_protocol` is what a connection may do, `request_fields` which requests are none,
`connection_watch` looks after all of them, `whole_answers` is how the application may answer. It may import
`command_api.problems`, since what fails below the application is a problem document like any other, and what
`command_api.hot_dispatch` asks of a server.
"""

import resource
from functools import partial
from typing import Any, Final
from uuid import UUID

import uvicorn

from bootstrap.clock import random_bytes
from bootstrap.http_server.connection_watch import ConnectionWatch
from bootstrap.http_server.guarded_protocol import GuardedProtocol
from bootstrap.settings import HttpLimits
from command_api.request_ids import RequestIds

DRAIN_S: Final = 10
SPARE_FILES: Final = 256
"""How many files a process may have open besides its clients' connections."""


def server_config(app: Any, host: str, port: int, limits: HttpLimits | None = None) -> uvicorn.Config:
    """How an ASGI application is served; without `limits` the defaults hold."""
    limits = limits or HttpLimits()
    watch = ConnectionWatch(limits, RequestIds(UUID(bytes=random_bytes(16))))
    protocol: Any = partial(GuardedProtocol, watch)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody asks where a request came from
        timeout_graceful_shutdown=DRAIN_S,
    )


def with_files_for(limits: HttpLimits) -> HttpLimits:
    """Let this process open a file for each connection; where the system allows fewer, so do the limits returned.

    A process that runs out of files can no longer reach its database either, so connections leave some over.
    """
    wanted = limits.max_connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft not in {resource.RLIM_INFINITY, hard} and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return limits.model_copy(update={"max_connections": max(1, min(limits.max_connections, allowed - SPARE_FILES))})
