"""Waiting for a server that is not there yet, without giving up and without haste."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Final, TypeVar

import asyncpg
from aiokafka.errors import KafkaError

_log = logging.getLogger(__name__)
_Part = TypeVar("_Part")

PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
OUTAGES: Final = (
    KafkaError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that was demoted
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process was frozen inside a transaction
    OSError,
    TimeoutError,
)
"""What a server that is away, starting, ending or too busy answers with: trying again later may well succeed."""


async def patiently(connect: Callable[[], Awaitable[_Part]], stop: asyncio.Event, what: str) -> _Part | None:
    """`connect()`, tried again for as long as `what` is away; None when told to stop meanwhile."""
    for pause_s in pauses():
        if stop.is_set():
            break
        try:
            return await connect()
        except OUTAGES as error:
            _log.warning("%s cannot be reached, trying again in %s s: %r", what, pause_s, error)
        await wait(stop, pause_s)
    return None


def pauses() -> chain[float]:
    """Seconds to wait before each next try, for ever."""
    return chain(PAUSES_S, repeat(PAUSES_S[-1]))


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Let `seconds` pass, or fewer when told to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
