"""Faust as this house uses it: it assigns, fetches and batches. What was done is remembered in PostgreSQL alone.

Facts of faust-streaming 0.15.3 that this module is built around: it commits offsets that were never acknowledged, so a
committed offset says nothing; it resumes every partition after an assignment, and one whose buffer was full; it drops
what it reads below the offset that it last read; a seek while fetched records are being handed on is undone by them; its
client has a thread, and ending waits for that without a limit and without giving the loop a turn.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import faust
import msgspec
from aiokafka.errors import IllegalStateError
from faust.exceptions import ConsumerNotStarted
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.threads import ServiceThread, WorkerThread

from processors.log_consumer.paced_fetches import pace

HEARTBEAT_INTERVAL_S: Final = 1.5
REBALANCE_TIMEOUT_S: Final = 20.0
REQUEST_TIMEOUT_S: Final = 30.0
COMMIT_INTERVAL_S: Final = 2.0
METADATA_MAX_AGE_MS: Final = 5_000
# One fetch at a time is under way to a broker. If it goes out while a partition's records still wait to be handed on, that
# partition is not in it, and what comes next for it waits until the fetch ends: with Faust's fixed wait, for 1.5 s.
FETCH_MAX_WAIT_MS: Final = 100
THREAD_LOOK_S: Final = 0.01
RUN_LENGTH: Final = 500
RUNS_IN_BUFFER: Final = 64


class Placement(msgspec.Struct, frozen=True):
    """Where an assigned shard is to be read from, and whether it is to be read at all."""

    offset: int
    halted: bool


Place = Callable[[Iterable[int]], Awaitable[Mapping[int, Placement]]]


class LooseThread(WorkerThread):
    """A thread that holds up nobody: while Kafka is away its client may take for ever to end, and the thread with it."""

    def __init__(self, service: ServiceThread, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True  # else the interpreter would wait for it

    def stop(self) -> None:
        """Nothing. Faust waits here without giving its loop a turn: for good, if the end needs that loop or Kafka."""


class PromptThread(driver.AIOKafkaConsumerThread):
    """Faust's thread for the client, whose fetches end soon though nothing has come."""

    Worker = LooseThread

    async def stop(self) -> None:
        """End the client and its thread. Whoever waits for this decides how long."""
        await super().stop()
        while self._thread is not None and not self._thread.is_stopped.is_set():  # noqa: ASYNC110 - another thread's event
            await asyncio.sleep(THREAD_LOOK_S)

    @property
    def has_ended(self) -> bool:
        """Whether the client has stopped fetching or keeping its place in the group, which it tells nobody."""
        client: Any = self._consumer
        if client is None or client._fetcher is None:  # noqa: SLF001 - there is no other way
            return False
        routines = (client._fetcher._fetch_task, client._coordinator._coordination_task)  # noqa: SLF001
        return any(routine.done() for routine in routines)

    def _create_worker_consumer(self, transport: Any) -> Any:
        client: Any = super()._create_worker_consumer(transport)
        client._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # noqa: SLF001 - read when it starts; Faust has no setting for it
        return client

    async def on_start(self) -> None:
        await super().on_start()
        pace(self._consumer, cast("LogApp", self.app).gather_s)


class CheckpointedConsumer(driver.Consumer):
    """Reads each assigned partition from where PostgreSQL says, not from where Kafka does."""

    client_thread: PromptThread | None = None

    def _new_consumer_thread(self) -> PromptThread:
        self.client_thread = PromptThread(self, loop=self.loop, beacon=self.beacon)
        return self.client_thread

    async def perform_seek(self) -> None:
        """Called by Faust at every assignment, while nothing flows."""
        host = cast("LogApp", self.app)
        assigned = {tp.partition for tp in self.assignment() if tp.topic == host.log_topic}
        if not assigned:
            return
        host.wanted_seeks.clear()
        for shard, placement in (await host.place(assigned)).items():
            await self._read_from(TP(host.log_topic, shard), placement)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's
        """What was fetched, as runs: up to `RUN_LENGTH` messages of one partition travel through Faust as one.

        Faust spends a fifth of a millisecond on whatever it handles, so it handles few things. Before fetching, when
        no message is in hand, is also the one moment at which a seek is not undone.
        """
        host = cast("LogApp", self.app)
        await self._apply_wanted_seeks(host)
        fetched, active = await self._wait_next_records(timeout)
        generation = host.consumer_generation_id
        for partition, messages in (fetched or {}).items():
            for start in range(0, len(messages), RUN_LENGTH):
                # When the shards are dealt out anew, what was fetched before is read again after that.
                if self.should_stop or not self.flow_active or host.consumer_generation_id != generation:
                    return
                if (active and partition in active) or partition in self._buffered_partitions:
                    yield ensure_TP(partition), _as_one(messages[start : start + RUN_LENGTH], generation)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """A run goes by the offset of its last message; that those before it never come is no gap to keep books of."""

    def _new_offset(self, tp: TP) -> int | None:
        """What to tell Kafka of a partition, for lag displays: all up to the last run that was acknowledged.

        Runs are acknowledged in order, and after one that was not, none until the partition is read again from it.
        """
        acked = self._acked[tp]
        if not acked:
            return None
        last = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1

    async def _apply_wanted_seeks(self, host: "LogApp") -> None:
        while host.wanted_seeks and self.flow_active:
            shard, placement = host.wanted_seeks.popitem()
            try:
                await self._read_from(TP(host.log_topic, shard), placement)
            except IllegalStateError:
                host.log.info("shard %s was taken away before it could be read again", shard)

    async def _read_from(self, partition: TP, placement: Placement) -> None:
        await self.seek_wait({partition: placement.offset})
        self._acked[partition].clear()
        self._acked_index[partition].clear()
        self._gap.pop(partition, None)
        self._committed_offset[partition] = placement.offset
        if placement.halted:
            self.pause_partitions({partition})
        else:
            self.resume_partitions({partition})


def _as_one(messages: Sequence[Any], generation: int) -> ConsumerMessage:
    """A run of one partition's messages as Faust's message: the value is the run, the offset that of its last."""
    last = messages[-1]
    return ConsumerMessage(
        topic=last.topic,
        partition=last.partition,
        offset=last.offset,
        timestamp=last.timestamp / 1000,
        timestamp_type=last.timestamp_type,
        headers=[],
        key=None,
        value=cast("Any", messages),
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        generation_id=generation,
    )


class Runs(faust.Schema[None, Any]):
    """Leaves a run as it is: its messages are decoded where they are applied."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """A run has no key of its own."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        """The run itself."""
        return message.value


class CheckpointedTransport(driver.Transport):
    """aiokafka, with our consumer."""

    Consumer = CheckpointedConsumer


class LogApp(faust.App):
    """One consumer group's worker in this process: no web server, no tables, no topics of its own, no files."""

    def __init__(
        self,
        *,
        group: str,
        instance: str | None,
        session_timeout_s: float,
        bootstrap_servers: str,
        topic: str,
        gather_s: float,
        place: Place,
    ) -> None:
        self.log_topic = topic
        self.gather_s = gather_s
        self.place = place
        self.wanted_seeks: dict[int, Placement] = {}
        super().__init__(
            group,
            broker=[f"kafka://{server.strip()}" for server in bootstrap_servers.split(",")],
            autodiscover=False,
            web_enabled=False,
            store="memory://",
            # Without tables to stand by for, partitions are simply dealt out.
            table_standby_replicas=0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_buffer_maxsize=RUNS_IN_BUFFER,
            # One event that is never acknowledged would make stop() wait for ever.
            stream_wait_empty=False,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=instance,
            # A topic that was made anew is noticed when its metadata is asked for.
            consumer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
            broker_session_timeout=session_timeout_s,
            broker_heartbeat_interval=HEARTBEAT_INTERVAL_S,
            broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
            broker_request_timeout=REQUEST_TIMEOUT_S,
            broker_commit_interval=COMMIT_INTERVAL_S,
            # Our own watchdog judges progress; Faust's would only warn of shards that have nothing to do.
            stream_processing_timeout=86_400.0,
            broker_commit_livelock_soft_timeout=86_400.0,
        )

    def _new_transport(self) -> Any:
        return CheckpointedTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Nothing is kept in files."""

    @property
    def has_joined(self) -> bool:
        """Whether the group has dealt out its shards with this worker in it; it may have got none."""
        return bool(self.consumer_generation_id)

    @property
    def client_has_ended(self) -> bool:
        """Whether Kafka's client brings nothing any more, and never will: Faust waits for it all the same."""
        thread = cast("CheckpointedConsumer", self.consumer).client_thread
        return thread is not None and thread.has_ended

    def read_again(self, shard: int, placement: Placement) -> None:
        """Have a shard read from elsewhere (or no longer) as soon as that is safe."""
        self.wanted_seeks[shard] = placement

    def highwater(self, shard: int) -> int | None:
        """The offset behind the partition's last message, as of the last fetch; None while that is not known."""
        try:
            highwater: int | None = self.consumer.highwater(TP(self.log_topic, shard))
        except (IllegalStateError, AssertionError, ConsumerNotStarted):
            return None
        return highwater
