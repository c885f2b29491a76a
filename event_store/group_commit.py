"""Group commit: whatever gathers in one tick of the event loop becomes one transaction, with no timer to wait for."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Final
from uuid import UUID

import asyncpg

from event_store.append_metrics import APPEND_SECONDS, BATCH_COMMANDS, COMMIT_SECONDS
from event_store.appends import AlreadyDone, Append, Appended, Sealed, VersionConflict, sealed
from event_store.batch import APPEND, Outcome, Verdict, arguments, verdicts
from event_store.connections import GIVEN_UP, SteadyConnection
from event_store.options import StoreOptions
from schemas.errors import Overloaded, ShardUnavailable
from schemas.records import Record

# The server refused what was in the batch; one command of it is to blame, and the others are innocent.
_POISONED: Final = (
    ValueError,  # an argument that the driver cannot encode
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
# How many batches' worth of queue one flush looks through when many commands wait for the same few streams.
_LOOK_AHEAD: Final = 4

RecordAt = Callable[[int, int], Awaitable[Record]]
Committed = Callable[[Sequence[tuple[Record, ...]]], None]


class _Pending:
    """A command on its way since `arrived_s` (of `perf_counter`), who waits for it, and later ones of its batch with its key."""

    __slots__ = ("arrived_s", "future", "repeats", "sealed")

    def __init__(self, command: Sealed, future: "asyncio.Future[Appended]", arrived_s: float) -> None:
        self.sealed = command
        self.future = future
        self.arrived_s = arrived_s
        self.repeats: list[_Pending] = []

    def succeed(self, records: tuple[Record, ...]) -> None:
        if not self.future.done():
            self.future.set_result(Appended(records))

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class GroupCommit:
    """The one writer of this process: a bounded queue, a task of its own, one call for each flush.

    `record_at(shard, position)` reads the record that owns a key; `committed` is told of what was just stored.
    """

    def __init__(self, options: StoreOptions, *, shards: int, record_at: RecordAt, committed: Committed) -> None:
        self._options = options
        self._shards = shards
        self._record_at = record_at
        self._committed = committed
        self._connection = SteadyConnection(options, "writer")
        self._queue: deque[_Pending] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._answers: set[asyncio.Task[None]] = set()
        self._writer = asyncio.create_task(self._write(), name="event store writer")

    async def append(self, append: Append) -> Appended:
        """Store `append` durably; when this returns, its events are on disk.

        Raises:
            AlreadyDone: its key is another command's.
            VersionConflict: the stream has moved on since it was decided.
            Overloaded: the queue is full, or the store is closing. Nothing was stored.
            ShardUnavailable: the database could not be reached; the command is stored once or not at all.
        """
        command = sealed(append)
        if not command.shard < self._shards:
            raise ValueError(f"stream {append.stream_id} is of shard {command.shard}; there are {self._shards}")
        if self._closing:
            raise Overloaded("the store is closing")
        if len(self._queue) >= self._options.queue_limit:
            raise Overloaded
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._queue.append(_Pending(command, future, perf_counter()))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Refuse what comes from now on, store what has come, close."""
        self._closing = True
        self._wake.set()
        await self._writer
        await asyncio.gather(*self._answers)
        await self._connection.close()

    async def _write(self) -> None:
        while not (self._closing and not self._queue):
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            batch = self._next_batch()
            if batch:
                await self._flush(batch)
                # Whoever was just answered may append before the next flush starts.
                await asyncio.sleep(0)

    def _next_batch(self) -> list[_Pending]:
        """At most one command of each stream and of each key; the others stay, in their order."""
        batch: list[_Pending] = []
        streams: set[UUID] = set()
        keys: dict[tuple[int, UUID], _Pending] = {}
        later: list[_Pending] = []
        for _ in range(min(len(self._queue), self._options.batch_limit * _LOOK_AHEAD)):
            pending = self._queue.popleft()
            if pending.future.done():
                continue  # the caller went away before anything was written
            append = pending.sealed.append
            key = None if append.command_key is None else (pending.sealed.shard, append.command_key)
            if key in keys:
                keys[key].repeats.append(pending)
            elif append.stream_id in streams:
                later.append(pending)
            else:
                batch.append(pending)
                streams.add(append.stream_id)
                if key is not None:
                    keys[key] = pending
                if len(batch) == self._options.batch_limit:
                    break
        self._queue.extendleft(reversed(later))
        return batch

    async def _flush(self, batch: list[_Pending]) -> None:
        """Store `batch`, and leave every caller answered."""
        try:
            began_s = perf_counter()
            found = await self._submit([pending.sealed for pending in batch])
            _measure(batch, began_s, perf_counter())
            self._answer(batch, found)
        except _POISONED as error:
            if len(batch) == 1:
                self._refuse(batch, error)
                return
            middle = len(batch) // 2
            await self._flush(batch[:middle])
            await self._flush(batch[middle:])
        except GIVEN_UP as error:
            # Nothing was stored, and another shard may have been the reason.
            await self._flush_by_shard(batch, error)
        except Exception as error:  # noqa: BLE001 - it is the callers' error, and the writer lives on
            self._refuse(batch, error)

    async def _flush_by_shard(self, batch: list[_Pending], error: Exception) -> None:
        shards: dict[int, list[_Pending]] = {}
        for pending in batch:
            shards.setdefault(pending.sealed.shard, []).append(pending)
        if len(shards) == 1:
            unavailable = ShardUnavailable()
            unavailable.__cause__ = error
            self._refuse(batch, unavailable)
            return
        for part in shards.values():
            await self._flush(part)

    async def _submit(self, batch: list[Sealed]) -> list[Verdict]:
        """One call. After a lost connection its outcome is unknown, so the very same call is made on a new one.

        A look-up would prove nothing: the old backend may still commit. The head locks decide, and a command that
        meets its own first event has succeeded.
        """
        return verdicts(batch, await self._connection.fetch_persistently(APPEND, *arguments(batch)))

    def _answer(self, batch: list[_Pending], found: list[Verdict]) -> None:
        stored = []
        for pending, verdict in zip(batch, found, strict=True):
            match verdict.outcome:
                case Outcome.APPENDED:
                    assert verdict.position is not None
                    assert verdict.recorded_at is not None
                    records = pending.sealed.recorded(verdict.position, verdict.recorded_at)
                    stored.append(records)
                    pending.succeed(records)
                    for repeat in pending.repeats:
                        repeat.fail(AlreadyDone(records[0]))
                case Outcome.KEY_EXISTS:
                    assert verdict.position is not None
                    self._later(self._answer_repeats(pending, verdict.position))
                case Outcome.TOKEN_STALE:
                    append = pending.sealed.append
                    self._refuse([pending], VersionConflict(append.stream_id, append.expected_version))
        if stored:
            self._committed(stored)

    async def _answer_repeats(self, pending: _Pending, position: int) -> None:
        try:
            record = await self._record_at(pending.sealed.shard, position)
        except Exception as error:  # noqa: BLE001 - it is the callers' error
            refusal = error
        else:
            refusal = AlreadyDone(record)
        for repeat in (pending, *pending.repeats):
            repeat.fail(refusal)

    def _refuse(self, batch: list[_Pending], error: Exception) -> None:
        """Tell the callers; a repeat of a command that failed is a command of its own again.

        Not where the server is away, or a shard locked: a repeat has waited for it as long, and would wait anew.
        """
        for pending in batch:
            pending.fail(error)
            if isinstance(error, ShardUnavailable):
                for repeat in pending.repeats:
                    repeat.fail(error)
            else:
                self._queue.extendleft(reversed(pending.repeats))
            pending.repeats = []

    def _later(self, answer: "Awaitable[None]") -> None:
        task = asyncio.ensure_future(answer)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)


def _measure(batch: list[_Pending], began_s: float, ended_s: float) -> None:
    BATCH_COMMANDS.observe(len(batch))
    COMMIT_SECONDS.observe(ended_s - began_s)
    # In the order of the queue, so the first has waited longest.
    APPEND_SECONDS.observe(ended_s - batch[0].arrived_s)
