"""A worker on the log: Faust brings records, the handler applies them, and each shard goes on, waits or halts alone."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from faust.types import TP
from prometheus_client import Counter

from processors.log_consumer.faust_app import LogApp, Placement, Runs
from processors.log_consumer.halted_shards import HaltedShards
from processors.log_consumer.handler import BatchHandler
from processors.log_consumer.shard_progress import ShardProgress
from processors.log_consumer.stall_watch import look
from processors.log_consumer.work import Work
from processors.patience import OUTAGES, patiently, pauses, wait
from processors.repeated_logs import calm_the_client
from processors.topics import check_topic

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
STOP_APP_WITHIN_S: Final = 10.0

HALTS: Final = Counter("guilder_consumer_halts", "Times that a consumer has halted a shard.", ["follower"])


class ConsumerFailed(Exception):
    """Faust, or what surrounds the handler, has failed."""


class LogConsumerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`instance` names this worker in its group: one that comes back under its name gets its shards back at once.

    About `max_batch` records, of all shards that are due, are handled together at most; what comes meanwhile is handled
    together after that, or beside it, in up to `batches_at_once`, once so many are due again. A fetch that brought
    something is followed by a pause of `gather_s`. `waiting_limit` bounds how many messages wait in this process. The
    broker gives up a worker that it has not heard of for `session_timeout_s` (at most 30), which delays its successors
    by as much.
    """

    bootstrap_servers: str
    topic: str
    group: str
    shards: int
    instance: str | None = None
    session_timeout_s: float = 6.0
    gather_s: float = 0.025
    max_batch: int = 1000
    waiting_limit: int = 20_000
    batches_at_once: int = 4
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
        self._app: LogApp | None = None
        self._work = Work(
            handler, halt=self._halt, on_gap=self._on_gap, at_once=options.batches_at_once, size=options.max_batch
        )

    @property
    def _shards(self) -> dict[int, ShardProgress]:
        return self._work.shards

    def health(self) -> LogConsumerHealth:
        """How far the shards of this worker are."""
        halted = sorted(shard for shard, progress in self._shards.items() if progress.halted)
        return LogConsumerHealth(
            ready=self._app is not None and self._app.has_joined and self._work.failure is None,
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
            self._app = None
            await self._work.finish(options.finish_within_s)
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
            gather_s=options.gather_s,
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
        self._work.assign({shard: _progress(positions.get(shard, 0), halted=shard in halted) for shard in assigned})
        _log.info("assigned shards %s, of them halted %s", assigned, sorted(halted))
        return {shard: Placement(progress.position, progress.halted) for shard, progress in self._shards.items()}

    async def _on_run(self, event: Any) -> None:
        """Hand a run on to be worked at. What arrives for a shard that is worked at becomes its next batch.

        Nothing may escape from here: Faust would restart the agent and go on behind what failed.
        """
        self._work.add(event)
        # Faust keeps what does not fit, and stops fetching when that grows too.
        await self._work.until_waiting_is_below(self._options.waiting_limit)

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
        self._work.assign(self._shards | {shard: _progress(position, halted=False)})
        app.read_again(shard, Placement(position, halted=False))

    def _raise_if_failed(self, app: LogApp) -> None:
        if (failure := self._work.failure) is not None:
            raise ConsumerFailed(f"a batch could not be handled: {failure!r}") from failure
        if app.crashed:
            raise ConsumerFailed(f"Faust has crashed: {app.crash_reason!r}")
        if app.client_has_ended:
            raise ConsumerFailed("Kafka's client has ended by itself and brings nothing any more")

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
