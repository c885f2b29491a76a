"""A worker on the log: Faust brings records, the handler applies them, and each shard goes on, waits or halts alone."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, Final

import msgspec
from faust.types import TP
from prometheus_client import Counter, Histogram

from processors.log_consumer.faust_app import LogApp, Placement, Runs
from processors.log_consumer.halted_shards import HaltedShards
from processors.log_consumer.handler import BatchHandler
from processors.log_consumer.shard_progress import ShardProgress
from processors.log_consumer.shard_work import Applied, GivenUp, Missing, Poisoned, apply, ascending
from processors.log_consumer.stall_watch import look
from processors.patience import OUTAGES, patiently, pauses, wait
from processors.repeated_logs import calm_the_client
from processors.topics import check_topic
from schemas.kafka_record import record_of
from schemas.records import Record

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
STOP_APP_WITHIN_S: Final = 10.0

HALTS: Final = Counter("guilder_consumer_halts", "Times that a consumer has halted a shard.", ["follower"])
BATCH_RECORDS: Final = Histogram(
    "guilder_consumer_batch_records",
    "Records of a shard that were applied together.",
    ["follower"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
BATCH_SECONDS: Final = Histogram(
    "guilder_consumer_batch_seconds",
    "How long applying a batch took, its commit included.",
    ["follower"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)


class ConsumerFailed(Exception):
    """Faust, or what surrounds the handler, has failed."""


class LogConsumerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`instance` names this worker in its group: one that comes back under its name gets its shards back at once.

    `max_batch` records of a shard are handled together at most; what comes while it is at work is handled together after
    that. `waiting_limit` bounds how many messages wait in this process. The broker gives up a
    worker that it has not heard of for `session_timeout_s` (at most 30), which delays its successors by as much.
    """

    bootstrap_servers: str
    topic: str
    group: str
    shards: int
    instance: str | None = None
    session_timeout_s: float = 6.0
    max_batch: int = 1000
    waiting_limit: int = 20_000
    shards_at_once: int = 4
    stalled_after_s: float = 30.0
    finish_within_s: float = 5.0


class LogConsumerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`ready`: at work, though perhaps with some shards halted. `lag` is messages, by shard."""

    ready: bool
    positions: dict[int, int]
    lag: dict[int, int]
    halted: list[int]


class LogConsumer:
    """One worker of a consumer group, in the process's own event loop. Run it once."""

    def __init__(self, options: LogConsumerOptions, handler: BatchHandler, halted: HaltedShards) -> None:
        self._options = options
        self._handler = handler
        self._halted = halted
        self._shards: dict[int, ShardProgress] = {}
        self._app: LogApp | None = None
        self._at_once = asyncio.Semaphore(options.shards_at_once)
        self._finishing = False
        self._works: set[asyncio.Task[None]] = set()
        self._taken = asyncio.Event()
        self._failure: Exception | None = None
        self._batch_records = BATCH_RECORDS.labels(handler.name)
        self._batch_seconds = BATCH_SECONDS.labels(handler.name)

    def health(self) -> LogConsumerHealth:
        """How far the shards of this worker are."""
        halted = sorted(shard for shard, progress in self._shards.items() if progress.halted)
        return LogConsumerHealth(
            ready=self._app is not None and self._app.has_joined and self._failure is None,
            positions={shard: progress.position for shard, progress in sorted(self._shards.items())},
            lag={shard: progress.lag for shard, progress in sorted(self._shards.items())},
            halted=halted,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; a batch that is being handled is finished first, within `finish_within_s`.

        Raises:
            TopicMismatch: the topic's partitions are not the shards.
            Stalled, ConsumerFailed: the process has to be started anew.
        """
        options = self._options

        async def check() -> bool:
            await check_topic(options.bootstrap_servers, options.topic, partitions=options.shards)
            return True

        calm_the_client()
        if await patiently(check, stop, "Kafka") is None:
            return
        self._app = app = self._new_app()
        try:
            await app.start()
            while not stop.is_set():
                await wait(stop, LOOK_EVERY_S)
                self._raise_if_failed(app)
                self._watch(app)
                await self._resume_redriven(app)
                await self._make_up_for_setbacks(app)
        finally:
            self._finishing = True
            self._app = None
            self._taken.set()
            if self._works:
                await asyncio.wait(self._works, timeout=options.finish_within_s)
            for work in self._works:
                work.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(app.stop(), STOP_APP_WITHIN_S)

    def _new_app(self) -> LogApp:
        options = self._options
        app = LogApp(
            group=options.group,
            instance=options.instance,
            session_timeout_s=options.session_timeout_s,
            bootstrap_servers=options.bootstrap_servers,
            topic=options.topic,
            place=self._place,
        )
        topic = app.topic(options.topic, schema=Runs())

        async def consume(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._on_run(event)

        app.agent(topic, name=options.group, concurrency=1)(consume)
        return app

    async def _place(self, shards: Iterable[int]) -> Mapping[int, Placement]:
        """Where newly assigned shards are read from. A record's offset is at least its position - 1."""
        assigned = sorted(shards)
        for pause_s in pauses():
            try:
                positions = await self._handler.positions(assigned)
                halted = await self._halted.among(assigned)
                break
            except OUTAGES as error:
                _log.warning("checkpoints cannot be read, trying again in %s s: %r", pause_s, error)
                await asyncio.sleep(pause_s)
        self._shards = {shard: _progress(positions.get(shard, 0), halted=shard in halted) for shard in assigned}
        # What waited for the shards of before waits no longer, and nobody will take it: let the agent see that.
        self._taken.set()
        _log.info("assigned shards %s, of them halted %s", assigned, sorted(halted))
        return {shard: Placement(progress.position, progress.halted) for shard, progress in self._shards.items()}

    async def _on_run(self, event: Any) -> None:
        """Hand a run to the work on its shard. While a shard works, what arrives for it becomes its next batch.

        Nothing may escape from here: Faust would restart the agent and go on behind what failed.
        """
        progress = self._shards.get(event.message.partition)
        if progress is not None and not progress.halted and not self._finishing:
            progress.add(event)
            if not progress.at_work:
                self._start_work(event.message.partition, progress)
        # Faust keeps what does not fit, and stops fetching when that grows too.
        while self._waiting > self._options.waiting_limit and not self._finishing:
            self._taken.clear()
            await self._taken.wait()

    @property
    def _waiting(self) -> int:
        return sum(progress.waiting_messages for progress in self._shards.values())

    def _start_work(self, shard: int, progress: ShardProgress) -> None:
        progress.at_work = True
        work = asyncio.create_task(self._work(shard, progress), name=f"shard-{shard}")
        self._works.add(work)
        work.add_done_callback(self._works.discard)

    async def _work(self, shard: int, progress: ShardProgress) -> None:
        try:
            while progress.waiting and not self._finishing and self._shards.get(shard) is progress:
                async with self._at_once:
                    events = progress.take(self._options.max_batch)
                    self._taken.set()
                    messages = [
                        message
                        for event in events
                        for message in event.message.value
                        if not progress.is_stale(message.offset)
                    ]
                    if messages and await self._handle(shard, progress, messages):
                        for event in events:
                            event.ack()
        except Exception as error:  # noqa: BLE001 - what it is decides run(), where it ends the process
            _log.exception("shard %s: a batch could not be handled", shard)
            self._failure = error
        finally:
            progress.at_work = False

    async def _handle(self, shard: int, progress: ShardProgress, messages: list[Any]) -> bool:
        """Apply the messages of one shard; false when it could not go on and nothing may be acknowledged."""
        try:
            received = [_record(message) for message in messages]
        except (KeyError, ValueError) as error:
            await self._halt(shard, progress, progress.position + 1, f"the relay did not write this message: {error!r}")
            return False
        began_s = perf_counter()
        match await apply(self._handler, shard, ascending(received), lambda: self._finishing):
            case Applied(position):
                at = asyncio.get_running_loop().time()
                self._batch_records.observe(len(received))
                self._batch_seconds.observe(perf_counter() - began_s)
                progress.handled(position=position, next_offset=messages[-1].offset + 1, at=at)
                return True
            case Missing(expected, got):
                first = next(index for index, record in enumerate(received) if record.position == got)
                await self._on_gap(shard, progress, expected, messages[first].offset)
            case Poisoned(position, reason):
                await self._halt(shard, progress, position, reason)
            case GivenUp():
                pass
        return False

    async def _on_gap(self, shard: int, progress: ShardProgress, missing: int, offset: int) -> None:
        """Read again once from the checkpoint; if the same position is missing then, it is not in the topic."""
        app = self._app
        if app is None or self._shards.get(shard) is not progress:
            return  # the shard was assigned anew meanwhile, and is read from its checkpoint anyway
        if progress.missing == missing:
            await self._halt(shard, progress, missing, f"position {missing} is missing in the topic")
            return
        _log.warning("shard %s: position %s did not come; reading again from the checkpoint", shard, missing)
        progress.missing = missing
        progress.gap_at = offset
        # Whatever was remembered: where the next record is missing, the checkpoint stands before it.
        progress.position = missing - 1
        app.read_again(shard, Placement(missing - 1, halted=False))

    async def _halt(self, shard: int, progress: ShardProgress, position: int, reason: str) -> None:
        _log.error("ALARM shard %s of %s halts at position %s: %s", shard, self._handler.name, position, reason)
        HALTS.labels(self._handler.name).inc()
        progress.halted = True
        if self._app is not None:
            self._app.consumer.pause_partitions({TP(self._options.topic, shard)})
        try:
            await self._halted.add(shard, position, reason)
        except OUTAGES as error:
            # Without its row the shard is soon tried again, and halts again with it.
            _log.warning("the halt of shard %s could not be noted: %r", shard, error)

    async def _resume_redriven(self, app: LogApp) -> None:
        """A halted shard goes on when its row has been taken away."""
        halted = [shard for shard, progress in self._shards.items() if progress.halted]
        if not halted:
            return
        try:
            redriven = sorted(set(halted) - await self._halted.among(halted))
            positions = await self._handler.positions(redriven) if redriven else {}
        except OUTAGES as error:
            _log.warning("halted shards cannot be looked up: %r", error)
            return
        for shard in redriven:
            _log.info("shard %s of %s goes on from position %s", shard, self._handler.name, positions[shard] + 1)
            self._go_on_behind(positions[shard], shard, app)

    async def _make_up_for_setbacks(self, app: LogApp) -> None:
        """A PostgreSQL that crashed may have lost its last commits where they did not wait for the disk.

        The next record would show it, as a gap; but there may be none for long.
        """
        remembered = [(shard, each, each.position) for shard, each in self._shards.items() if not each.halted]
        try:
            positions = await self._handler.positions([shard for shard, _, _ in remembered])
        except OUTAGES as error:
            _log.warning("checkpoints cannot be looked up: %r", error)
            return
        for shard, progress, position in remembered:
            if positions[shard] < position and self._shards.get(shard) is progress:
                _log.warning("shard %s: the checkpoint was set back from %s to %s", shard, position, positions[shard])
                self._go_on_behind(positions[shard], shard, app)

    def _go_on_behind(self, position: int, shard: int, app: LogApp) -> None:
        self._shards[shard] = _progress(position, halted=False)
        self._taken.set()
        app.read_again(shard, Placement(position, halted=False))

    def _raise_if_failed(self, app: LogApp) -> None:
        if self._failure is not None:
            raise ConsumerFailed(f"a batch could not be handled: {self._failure!r}") from self._failure
        if app.crashed:
            raise ConsumerFailed(f"Faust has crashed: {app.crash_reason!r}")

    def _watch(self, app: LogApp) -> None:
        now = asyncio.get_running_loop().time()
        highwaters = {shard: app.highwater(shard) for shard in self._shards}
        for shard in look(self._shards, highwaters, now=now, after_s=self._options.stalled_after_s):
            _log.warning("shard %s: the topic is shorter than it was; reading again from the checkpoint", shard)
            app.read_again(shard, Placement(self._shards[shard].position, halted=False))


def _progress(position: int, *, halted: bool) -> ShardProgress:
    # The first record that is wanted, position + 1, stands at offset `position` or above.
    return ShardProgress(
        position=position, next_offset=position, moved_at=asyncio.get_running_loop().time(), halted=halted
    )


def _record(message: Any) -> Record:
    if message.key is None or message.value is None:
        raise ValueError("it has no key or no value")
    return record_of(message.partition, message.key, message.value, message.headers)
