"""What is wrong with the database that a verb works on, in a sentence that names the database and what to do."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from bootstrap.local_stack import LocalStackError
from schemas.errors import ShardUnavailable

# asyncio tells of a name with several addresses, as `localhost` is, in an OSError without a number.
_NO_WAY_THERE: Final = frozenset({None, errno.EHOSTUNREACH, errno.ENETUNREACH})


class DatabaseUnusableError(LocalStackError):
    """PostgreSQL does not answer, does not let us in, or has not got Guilder's tables."""


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
    return f"cannot be reached ({_reason(cause)}): `guilder status` shows what runs, `guilder up` starts it"


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
