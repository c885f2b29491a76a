"""The database that a verb works on, and what is wrong with it, in a sentence that names it and what to do."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import asyncpg

from bootstrap.local_stack import LocalStackError
from schemas.errors import ShardUnavailable

Result = TypeVar("Result")

ANSWERS_WITHIN_S: Final = 2.0
"""How long a person at a shell waits to hear that PostgreSQL is away; the driver would wait for a minute."""
SILENT_AFTER_S: Final = 10.0
"""How long PostgreSQL may leave the smallest question unanswered before it counts as gone, though no connection was cut."""
_ASKED_EVERY_S: Final = 1.0
# asyncio tells of a name with several addresses, as `localhost` is, in an OSError without a number.
_NO_WAY_THERE: Final = frozenset({None, errno.EHOSTUNREACH, errno.ENETUNREACH})
_LOST_MEANWHILE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    # What the driver makes of a connection that ended while it was used.
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_STARTED: Final = "`guilder up` starts it unless GUILDER_POSTGRES__DSN names another"


class DatabaseUnusableError(LocalStackError):
    """PostgreSQL does not answer, does not let us in, or has not got Guilder's tables."""


def run_at(dsn: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What `work` gives, which is begun once the database has answered: for verbs that a person waits for.

    Raises DatabaseUnusableError after `ANSWERS_WITHIN_S` where nothing answers, `SILENT_AFTER_S` after the last answer of
    a server that falls silent meanwhile, and as `database_at` does.
    """

    async def answered() -> Result:
        connection: Any = await asyncpg.connect(dsn, timeout=ANSWERS_WITHIN_S)
        try:
            return await _unless_silent(work(), connection)
        finally:
            connection.terminate()

    with database_at(dsn):
        return asyncio.run(answered())


async def _unless_silent(work: Coroutine[Any, Any, Result], connection: Any) -> Result:
    """What `work` gives, given up where the server no longer answers on a `connection` of its own.

    No statement of the work is bounded by itself: on a long log some take minutes, and none says how many.

    Raises:
        TimeoutError: the server is silent.
    """
    working, watching = asyncio.create_task(work), asyncio.create_task(_silence(connection))

    async def either() -> None:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)

    try:
        await either()
    except asyncio.CancelledError:  # Ctrl-C: the work may clear up first
        working.cancel()
        await either()
        raise
    finally:
        silent = not working.done()
        if silent:
            await _abandon_everything()
        watching.cancel()
    if silent:
        watching.result()
    return working.result()


async def _abandon_everything() -> None:
    """End every other task of the loop, whatever of them wants to say good-bye to a server that does not hear it.

    Rolling back, giving back and closing a connection each wait for an answer, so once does not do; and a task group
    passes on to its tasks only the first time that it is told.
    """
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    until = loop.time() + ANSWERS_WITHIN_S
    while (others := asyncio.all_tasks() - {me}) and loop.time() < until:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=0.05)


async def _silence(connection: Any) -> None:
    """Ask again and again. Raises TimeoutError where no answer comes; a lost connection is for the work to notice."""
    try:
        while True:
            await asyncio.sleep(_ASKED_EVERY_S)
            await connection.fetchval("SELECT 1", timeout=SILENT_AFTER_S)
    except TimeoutError:
        raise
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        await asyncio.Event().wait()


@contextmanager
def database_at(dsn: str) -> Iterator[None]:
    """Work on the database in the context. Raises DatabaseUnusableError in place of what the driver and the store say."""
    try:
        yield
    except Exception as error:
        wrong = what_is_wrong(error)
        if wrong is None:
            raise
        raise DatabaseUnusableError(f"PostgreSQL at {address(dsn)} {wrong}") from error


def address(dsn: str) -> str:
    """Where the server is and which database is meant, without the user and the password."""
    parts = urlsplit(dsn)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}" or "its default address"


def what_is_wrong(error: BaseException) -> str | None:
    """The end of a sentence about the database; None for an error that is not about its being usable."""
    if isinstance(error, BaseExceptionGroup):
        found = [what_is_wrong(part) for part in error.exceptions]
        return None if None in found else found[0]
    match error:
        case ShardUnavailable() | ConnectionError() | TimeoutError() | socket.gaierror():
            return _unreachable(error)
        case OSError(errno=number) if number in _NO_WAY_THERE:
            return _unreachable(error)
        case _ if isinstance(error, _LOST_MEANWHILE) and not isinstance(error, ValueError):
            return _unreachable(error)
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"does not let Guilder in: {error}; see the user and the password in GUILDER_POSTGRES__DSN"
        case asyncpg.InvalidCatalogNameError():
            return f"has no such database: {error}; see GUILDER_POSTGRES__DSN"
        case asyncpg.UndefinedTableError():
            return f"has not got Guilder's tables ({error}): run `guilder migrate`"
        case asyncpg.InvalidParameterValueError() if "role" in str(error):
            # The roles are made by the first migration, and belong to the server as a whole.
            return f"has not got Guilder's roles ({error}): run `guilder migrate`"
        case _:
            return None


def _unreachable(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, ShardUnavailable) else error
    return f"cannot be reached ({_reason(cause)}): `guilder status` shows what runs; {_STARTED}"


def _reason(cause: BaseException | None) -> str:
    match cause:
        case None | TimeoutError():
            return "no answer in time"
        case OSError(errno=int(number)) if number > 0:
            # The system's own word: asyncio puts the bare address in its place.
            return os.strerror(number)
        case OSError(strerror=str(word)):
            return word
        case _:
            return str(cause) or "the connection was lost"
