"""The library is synchronous and threaded, the driver is neither: a loop of its own in a thread stands between."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg
from eventsourcing import persistence

from event_store.connections import ReadConnections, SteadyConnection, is_lost
from event_store.head_listener import HeadListener
from event_store.notifier import HeadNotifier
from event_store.options import StoreOptions
from schemas.errors import ShardUnavailable

Result = TypeVar("Result")
_POLL_S: Final = 0.5
_WRITERS: Final = 4


class Database:
    """Blocking access to the log for any number of threads. Errors come in the library's own words."""

    def __init__(self, options: StoreOptions) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="eventsourcing bridge", daemon=True)
        self._thread.start()
        self._listeners: dict[int, set[threading.Event]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._hearing: tuple[HeadListener, asyncio.Task[None]] | None = None
        self._options = options
        self._call(self._open())

    def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        """The rows of a SELECT."""
        return self._call(self._readers.fetch(query, *arguments))

    def transaction(self, work: Callable[[Any], Awaitable[Result]]) -> Result:
        """What `work(connection)` returns, committed; or rolled back when it raises."""
        return self._call(self._transaction(work))

    def announce(self, shard: int, position: int) -> None:
        """Tell everyone, in whatever process, that the shard's head is now at `position`."""
        self._loop.call_soon_threadsafe(self._notifier.moved, shard, position)

    def listen(self, shard: int, event: threading.Event) -> None:
        """Set `event` whenever the shard may have moved."""
        with self._lock:
            self._listeners.setdefault(shard, set()).add(event)
        self._call(self._hear())

    def unlisten(self, shard: int, event: threading.Event) -> None:
        """Stop setting `event`."""
        with self._lock:
            self._listeners.get(shard, set()).discard(event)

    def close(self) -> None:
        """Close every connection and end the thread; the second time does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._call(self._close(), closing=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Result], *, closing: bool = False) -> Result:
        if self._closed and not closing:
            work.close()
            raise persistence.InterfaceError("the connection to the log is closed")
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except persistence.PersistenceError:
            raise
        except Exception as error:
            raise in_the_librarys_words(error) from error

    async def _open(self) -> None:
        self._readers = ReadConnections(self._options)
        self._writers: asyncio.Queue[SteadyConnection] = asyncio.Queue()
        for _ in range(_WRITERS):
            self._writers.put_nowait(SteadyConnection(self._options, "bridge"))
        self._notifier = HeadNotifier(self._options)

    async def _close(self) -> None:
        if self._hearing is not None:
            listener, polling = self._hearing
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            await listener.close()
        await self._notifier.close()
        for _ in range(_WRITERS):
            await (await self._writers.get()).close()
        await self._readers.close()

    async def _transaction(self, work: Callable[[Any], Awaitable[Result]]) -> Result:
        async with self._writer() as writer:
            connection = await writer.connection()
            try:
                async with connection.transaction():
                    return await work(connection)
            except Exception as error:
                if is_lost(error):
                    writer.terminate()
                raise

    @asynccontextmanager
    async def _writer(self) -> AsyncIterator[SteadyConnection]:
        writer = await self._writers.get()
        try:
            yield writer
        finally:
            self._writers.put_nowait(writer)

    async def _hear(self) -> None:
        if self._hearing is None:
            listener = HeadListener(self._options, lambda head: self._wake(int(head.partition(":")[0])))
            self._hearing = listener, asyncio.create_task(self._poll(), name="eventsourcing bridge poll")

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            for shard in list(self._listeners):
                self._wake(shard)

    def _wake(self, shard: int) -> None:
        with self._lock:
            for event in self._listeners.get(shard, ()):
                event.set()


def in_the_librarys_words(error: Exception) -> Exception:
    """The exception of `eventsourcing.persistence` that says the same; anything unexpected stays what it is."""
    match error:
        case asyncpg.UniqueViolationError():
            return persistence.IntegrityError(str(error))
        case asyncpg.IntegrityConstraintViolationError() | asyncpg.DataError() | ValueError():
            return persistence.DataError(str(error))
        case ShardUnavailable():
            return persistence.OperationalError(str(error))
        case asyncpg.QueryCanceledError() | asyncpg.LockNotAvailableError() | asyncpg.InsufficientResourcesError():
            return persistence.OperationalError(str(error))
        case _ if is_lost(error):
            return persistence.OperationalError(str(error))
        case asyncpg.SyntaxOrAccessError():
            return persistence.ProgrammingError(str(error))
        case asyncpg.PostgresError():
            return persistence.DatabaseError(str(error))
        case _:
            return error
