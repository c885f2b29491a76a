"""One thread owns the database; what has gathered while it committed goes into its next transaction.

SQLite runs with WAL and `synchronous=FULL`, so a commit is on disk before its callers hear of it, and one fsync serves
all of them. A job that fails rolls back to its own savepoint and spoils nothing for its neighbours.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from bootstrap.psp_simulator.book import SCHEMA, Book

T = TypeVar("T")
MAX_BATCH = 256
PRIVATE = 0o600
# A predecessor that was told to end may still be cutting its sockets.
BUSY_TIMEOUT_S = 3.0

_Job = tuple[Callable[[Book], Any], Future[Any]]


class Writer:
    """Runs jobs on the `Book`, many to a commit; every result is given after the commit that holds it."""

    def __init__(self, path: Path, *, observe_commit: Callable[[int, float], None]) -> None:
        """`observe_commit` is told, in the writer's thread, the jobs and the seconds of each transaction."""
        self._path = path
        self._observe_commit = observe_commit
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name="psp-simulator-writer", daemon=True)
        self.before_batch: Callable[[Book], None] = lambda _book: None

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    async def start(self) -> None:
        """Open the database; raises what SQLite raises, for instance when another process holds it."""
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    async def stop(self) -> None:
        """Finish all that was submitted and close the database."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def run(self, job: Callable[[Book], T]) -> T:
        """Run the job in the next transaction and return its result, or raise its error, after the commit."""
        future: Future[T] = Future()
        self._queue.put((job, future))
        return await asyncio.wrap_future(future)

    def _main(self) -> None:
        try:
            connection = self._open()
        except sqlite3.Error as error:
            self._opened.set_exception(error)
            return
        book = Book(connection)
        self._opened.set_result(None)
        while (batch := self._gather()) is not None:
            self._commit(connection, book, batch)
        connection.close()

    def _open(self) -> sqlite3.Connection:
        # Payments are nobody else's to read; SQLite gives its journals the mode of the database.
        with contextlib.suppress(OSError):  # SQLite says better than we what keeps a file from being opened
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE))
            self._path.chmod(PRIVATE)
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        # Exclusive: a second simulator on the same file would settle the same operations twice.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
        return connection

    def _gather(self) -> list[_Job] | None:
        """Wait for a job and take all that have come with it; None when there will be no more."""
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            batch.append(job)
        return batch

    def _commit(self, connection: sqlite3.Connection, book: Book, batch: list[_Job]) -> None:
        started = time.perf_counter()
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            self.before_batch(book)
            for job, future in batch:
                outcomes.append((future, *self._attempt(connection, book, job)))
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - every caller of the batch is told, whatever it was
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            book.next_due_ms = 0  # what was settled in this transaction is not; look again
            outcomes = [(future, None, error) for _, future in batch]
        for future, result, failure in outcomes:
            if not future.set_running_or_notify_cancel():
                continue
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)
        self._observe_commit(len(batch), time.perf_counter() - started)

    @staticmethod
    def _attempt(
        connection: sqlite3.Connection, book: Book, job: Callable[[Book], Any]
    ) -> tuple[Any, BaseException | None]:
        connection.execute("SAVEPOINT job")
        try:
            result = job(book)
        except Exception as error:  # noqa: BLE001 - handed to the job's caller
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            return None, error
        connection.execute("RELEASE job")
        return result, None
