"""The saga's own connections to PostgreSQL, and what losing one looks like."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from event_store.connections import PROBES
from processors.log_consumer.checkpoint_locks import CHECKPOINT_LOCKS
from projections.pooled_connections import leave_as_it_is

_CONNECTIONS: Final = 6
_COMMAND_TIMEOUT_S: Final = 10.0


async def open_pool(dsn: str) -> asyncpg.Pool:
    """A pool for the saga's tables, in the service's role; no statement outlasts 10 s."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=_CONNECTIONS,
        command_timeout=_COMMAND_TIMEOUT_S,
        reset=leave_as_it_is,
        server_settings={
            "role": "guilder_app",
            "application_name": "guilder-saga",
            **CHECKPOINT_LOCKS,
            # Else a plan made while the table of steps was small reads all of it for each batch, until it is analyzed.
            **PROBES,
        },
    )


@contextmanager
def lost_connections_are_outages() -> Iterator[None]:
    """A connection that PostgreSQL ended may answer once more, with asyncpg's error of its own confusion about it.

    Raises:
        ConnectionResetError: instead of that error; it is one of `processors.patience.OUTAGES`.
    """
    try:
        yield
    except asyncpg.InternalClientError as confusion:
        raise ConnectionResetError(f"the connection was lost: {confusion}") from confusion
