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

    Raises DatabaseUnusableError after `ANSWERS_WITHIN_S` where nothing answers, and as `database_at` does.
    """

    async def answered() -> Result:
        connection: Any = await asyncpg.connect(dsn, timeout=ANSWERS_WITHIN_S)
        await connection.close(timeout=ANSWERS_WITHIN_S)
        return await work()

    with database_at(dsn):
        return asyncio.run(answered())


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
