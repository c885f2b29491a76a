"""Connections to the store's database that are lost and found again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from event_store.options import StoreOptions
from schemas.errors import ShardUnavailable

Result = TypeVar("Result")

# The service's own role: it may insert and select events and nothing else, whoever logs in.
SERVICE_ROLE = "guilder_app"
_LOST = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that was demoted
)
# The server gave up for now; nothing was done.
GIVEN_UP = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InsufficientResourcesError,
)
_MARGIN_S = 1.0
# Every read is a handful of index probes, whatever the planner thinks of tables that were small when it looked.
PROBES = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}


def is_lost(error: BaseException) -> bool:
    """Whether `error` says that the server cannot be reached, so that the outcome of a statement is unknown."""
    # An argument that cannot be encoded was never sent.
    return isinstance(error, _LOST) and not isinstance(error, ValueError)


async def connect(options: StoreOptions, purpose: str, **settings: str) -> Any:
    """A new connection as the service's role; `purpose` shows in pg_stat_activity."""
    return await asyncpg.connect(
        options.dsn,
        timeout=options.connect_timeout_s,
        command_timeout=options.statement_timeout_ms / 1000 + _MARGIN_S,
        server_settings={
            "role": SERVICE_ROLE,
            "application_name": f"guilder {purpose}",
            "synchronous_commit": "on",
            "default_transaction_isolation": "read committed",
            "statement_timeout": str(options.statement_timeout_ms),
            "lock_timeout": str(options.lock_timeout_ms),
            # A process that freezes inside a transaction gives up its locks, and does not hold up the others.
            "idle_in_transaction_session_timeout": str(options.statement_timeout_ms),
            **settings,
        },
    )


async def persistently(call: Callable[[], Awaitable[Result]], deadline_s: float) -> Result:
    """`call()`, again and again while the server cannot be reached, for at most `deadline_s`.

    Raises:
        ShardUnavailable: it could not be reached in that time.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception(is_lost),
        wait=wait_exponential(multiplier=0.02, max=1.0),
        stop=stop_after_delay(deadline_s),
        reraise=True,
    )

    async def once() -> Result:
        return await call()

    try:
        return await retrying(once)
    except Exception as error:
        if is_lost(error):
            raise ShardUnavailable from error
        raise


class Outage:
    """Since when the server has not been reached (the event loop's clock, seconds), by those who share it.

    One that nobody has met with for `forgotten_after_s` is no longer known to last: the server may have been back
    meanwhile, when nobody asked.
    """

    def __init__(self, forgotten_after_s: float) -> None:
        self._forgotten_after_s = forgotten_after_s
        self._since: float | None = None
        self._met_at = 0.0

    def over(self) -> None:
        self._since = None

    def met(self) -> None:
        """Somebody has just failed to reach the server."""
        self._met_at = asyncio.get_running_loop().time()

    def lasts_s(self, asked_at: float) -> float:
        """For how many seconds it lasts, as who asked at `asked_at` has just met with it; a new one begins now."""
        if self._since is None or asked_at - self._met_at > self._forgotten_after_s:
            self._since = asyncio.get_running_loop().time()
        self.met()
        return self._met_at - self._since


class SteadyConnection:
    """One connection for one user at a time, opened when it is needed and opened anew after it was lost."""

    def __init__(self, options: StoreOptions, purpose: str, outage: Outage | None = None, **settings: str) -> None:
        self._options = options
        self._purpose = purpose
        self._outage = outage or Outage(options.reconnect_deadline_s)
        self._settings = settings
        self._connection: Any = None

    async def fetch_persistently(self, query: str, *arguments: Any) -> Sequence[Any]:
        """`fetch`, again and again until the server has been away for `reconnect_deadline_s`.

        From then on once for each call, until it is back: those who wait for one another would each wait as long anew.

        Raises:
            ShardUnavailable: the server was away for so long.
        """
        asked_at = asyncio.get_running_loop().time()
        try:
            rows = await self.fetch(query, *arguments)
        except Exception as error:
            if not is_lost(error):
                raise
            left_s = self._options.reconnect_deadline_s - self._outage.lasts_s(asked_at)
            if left_s <= 0:
                raise ShardUnavailable from error
            try:
                rows = await persistently(lambda: self.fetch(query, *arguments), left_s)
            except ShardUnavailable:
                self._outage.met()
                raise
        self._outage.over()
        return rows

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        """One attempt at a statement in autocommit. Its outcome is unknown when the error `is_lost`."""
        connection = await self.connection()
        try:
            rows: Sequence[Any] = await connection.fetch(query, *arguments)
        except BaseException as error:
            if not isinstance(error, asyncpg.PostgresError | ValueError) or is_lost(error):
                self.terminate()
            raise
        return rows

    async def connection(self) -> Any:
        """The open connection."""
        if self._connection is None or self._connection.is_closed():
            self._connection = None
            self._connection = await connect(self._options, self._purpose, **self._settings)
        return self._connection

    def terminate(self) -> None:
        """Drop the connection without a word to the server."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Say good-bye and close."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=_MARGIN_S)
            except _LOST:
                connection.terminate()


class ReadConnections:
    """A few connections for reads, which may be repeated freely. The last one that was used is used again first."""

    def __init__(self, options: StoreOptions) -> None:
        outage = Outage(options.reconnect_deadline_s)
        self._idle = [SteadyConnection(options, "reader", outage, **PROBES) for _ in range(options.read_connections)]
        self._all = tuple(self._idle)
        self._free = asyncio.Semaphore(len(self._all))

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        """The rows of a SELECT.

        Raises:
            ShardUnavailable: the server cannot be reached or does not answer within its timeouts.
        """
        async with self._free:
            connection = self._idle.pop()
            try:
                return await connection.fetch_persistently(query, *arguments)
            except GIVEN_UP as error:
                raise ShardUnavailable from error
            finally:
                self._idle.append(connection)

    async def close(self) -> None:
        """Close them all."""
        for connection in self._all:
            await connection.close()
