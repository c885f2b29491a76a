"""Handling what shards have waiting: all that are due together, and each by itself where that does not go."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from time import perf_counter
from typing import Any, Final

import msgspec
from prometheus_client import Histogram

from processors.log_consumer.handler import BatchHandler
from processors.log_consumer.shard_progress import ShardProgress
from processors.log_consumer.shard_work import (
    Applied,
    GivenUp,
    Missing,
    Outcome,
    Poisoned,
    apply,
    apply_together,
    ascending,
)
from schemas.kafka_record import record_of
from schemas.records import Record

_log = logging.getLogger(__name__)

# What was fetched together arrives from Faust one run after the other.
ARRIVE_WITHIN_S: Final = 0.002

BATCH_RECORDS: Final = Histogram(
    "guilder_consumer_batch_records",
    "Records that were applied together, of whichever shards.",
    ["follower"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
BATCH_SECONDS: Final = Histogram(
    "guilder_consumer_batch_seconds",
    "How long applying a batch took, its commit included.",
    ["follower"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)

OnShard = Callable[[int, ShardProgress, int, Any], Awaitable[None]]


class Taken(msgspec.Struct):
    """What one shard had waiting: Faust's `events`, to be acknowledged, their messages, and what these hold."""

    shard: int
    progress: ShardProgress
    events: list[Any]
    messages: list[Any]
    records: list[Record]


class Work:
    """The shards of a worker and what waits for each; a shard is worked at by one task at a time.

    Of a batch at most `size` messages are taken, by and large, and a second batch is begun beside the first, up to
    `at_once` in all, only when as many are due: otherwise they would all be small. `halt(shard, progress, position,
    reason)` and `on_gap(shard, progress, position, offset)` are told of shards that could not go on.
    """

    def __init__(self, handler: BatchHandler, *, halt: OnShard, on_gap: OnShard, at_once: int, size: int) -> None:
        self.shards: dict[int, ShardProgress] = {}
        self.failure: Exception | None = None
        self._handler = handler
        self._halt = halt
        self._on_gap = on_gap
        self._at_once = at_once
        self._size = size
        # Whose turn it is: shards that have something waiting and are not worked at, in the order that they came.
        self._due: dict[int, None] = {}
        self._arriving = False
        self._batches = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken = asyncio.Event()
        self._finishing = False
        self._batch_records = BATCH_RECORDS.labels(handler.name)
        self._batch_seconds = BATCH_SECONDS.labels(handler.name)

    def assign(self, shards: dict[int, ShardProgress]) -> None:
        """Work at these from now on; what waited for a shard's progress of before waits no longer."""
        self.shards = shards
        self._due = {shard: None for shard in self._due if shard in shards and shards[shard].waiting}
        self._taken.set()

    def add(self, event: Any) -> None:
        """An event of Faust's has arrived, a run of messages of one shard."""
        shard: int = event.message.partition
        progress = self.shards.get(shard)
        if progress is None or progress.halted or self._finishing:
            return
        progress.add(event)
        if not progress.at_work:
            self._is_due(shard)

    async def until_waiting_is_below(self, limit: int) -> None:
        """Wait while more than `limit` messages wait to be handled."""
        while not self._finishing and sum(each.waiting_messages for each in self.shards.values()) > limit:
            self._taken.clear()
            await self._taken.wait()

    async def finish(self, within_s: float) -> None:
        """Begin nothing more; what is being handled is given its time."""
        self._finishing = True
        self._taken.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in self._tasks:
            task.cancel()

    def _is_due(self, shard: int) -> None:
        self._due[shard] = None
        self._begin_batch()

    def _begin_batch(self) -> None:
        if self._arriving or self._finishing or self._batches >= self._at_once:
            return
        if not self._batches or sum(self.shards[due].waiting_messages for due in self._due) >= self._size:
            self._arriving = True
            self._batches += 1
            self._start(self._handle_due())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._noting_failure(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _noting_failure(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - what it is decides who runs this, where it ends the process
            _log.exception("a batch could not be handled")
            self.failure = error

    async def _handle_due(self) -> None:
        try:
            await asyncio.sleep(ARRIVE_WITHIN_S)
            self._arriving = False
            while self._due and not self._finishing:
                taken = self._take()
                self._begin_batch()
                await self._handle(taken)
        finally:
            self._batches -= 1

    def _take(self) -> list[Taken]:
        """What is due, of as many shards as fill a batch, longest due first."""
        taken: list[Taken] = []
        room = self._size
        while self._due and room > 0:
            shard = next(iter(self._due))
            del self._due[shard]
            progress = self.shards[shard]
            events = progress.take(room)
            room -= sum(len(event.message.value) for event in events)
            messages = [
                message for event in events for message in event.message.value if not progress.is_stale(message.offset)
            ]
            if messages:
                progress.at_work = True
                taken.append(Taken(shard, progress, events, messages, []))
            elif progress.waiting:
                self._due[shard] = None
        self._taken.set()
        return taken

    async def _handle(self, taken: list[Taken]) -> None:
        readable = [each for each in taken if await self._read(each)]
        if not readable:
            return
        began_s = perf_counter()
        applied = await apply_together(self._handler, {each.shard: ascending(each.records) for each in readable})
        if applied is None:
            # Whichever is to blame, no other shard waits for it.
            for each in readable:
                self._start(self._handle_alone(each))
            return
        self._measure(readable, began_s)
        for each in readable:
            await self._settle(each, applied[each.shard])

    async def _read(self, taken: Taken) -> bool:
        """Decode the messages; false when one is not the relay's, where the shard halts."""
        try:
            taken.records = [_record(message) for message in taken.messages]
        except (KeyError, ValueError) as error:
            reason = f"the relay did not write this message: {error!r}"
            await self._halt(taken.shard, taken.progress, taken.progress.position + 1, reason)
            self._leave(taken)
            return False
        return True

    async def _handle_alone(self, taken: Taken) -> None:
        began_s = perf_counter()
        outcome = await apply(self._handler, taken.shard, ascending(taken.records), lambda: self._finishing)
        if isinstance(outcome, Applied):
            self._measure([taken], began_s)
        await self._settle(taken, outcome)

    async def _settle(self, taken: Taken, outcome: Outcome) -> None:
        """Acknowledge what was applied, or have done what has to be done about what was not."""
        shard, progress = taken.shard, taken.progress
        match outcome:
            case Applied(position):
                at = asyncio.get_running_loop().time()
                progress.handled(position=position, next_offset=taken.messages[-1].offset + 1, at=at)
                for event in taken.events:
                    event.ack()
            case Missing(expected, got):
                first = next(index for index, record in enumerate(taken.records) if record.position == got)
                await self._on_gap(shard, progress, expected, taken.messages[first].offset)
            case Poisoned(position, reason):
                await self._halt(shard, progress, position, reason)
            case GivenUp():
                pass
        self._leave(taken)

    def _leave(self, taken: Taken) -> None:
        progress = taken.progress
        progress.at_work = False
        if progress.waiting and self.shards.get(taken.shard) is progress:
            self._is_due(taken.shard)

    def _measure(self, taken: list[Taken], began_s: float) -> None:
        self._batch_records.observe(sum(len(each.records) for each in taken))
        self._batch_seconds.observe(perf_counter() - began_s)


def _record(message: Any) -> Record:
    if message.key is None or message.value is None:
        raise ValueError("it has no key or no value")
    return record_of(message.partition, message.key, message.value, message.headers)
