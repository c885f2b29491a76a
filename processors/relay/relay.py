"""The relay process: leads the shards that no other relay leads, and copies each of them to its partition in order.

It is built to be ended: when Kafka does not acknowledge in time, when a lock is lost or the store looks set back, `run`
raises and the process is started again, because only the topic's tail can tell what was written. Whatever it does,
commands are not concerned; they end in PostgreSQL.
"""

import asyncio
import contextlib
import logging
from typing import Any, Final

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from event_store import WrongNumberOfShards
from processors.patience import patiently, wait
from processors.relay.checkpoints import Acknowledged, Checkpoints, Lead, LeadershipLost
from processors.relay.shard_copy import ShardCopy
from processors.relay.store_reader import StoreReader
from processors.relay.topic_tail import TopicTail
from processors.repeated_logs import calm_the_client
from processors.topics import TopicOptions, ensure_topic
from projections.pooled_connections import leave_as_it_is

_log = logging.getLogger(__name__)

STATEMENT_TIMEOUT_S: Final = 5.0
LONGEST_REQUEST_MS: Final = 10_000
STOP_WITHIN_S: Final = 2.0


class RelayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`dsn` may go through a pooler; `direct_dsn`, for the locks, may not (null: the same).

    `request_timeout_ms` bounds both a request to Kafka and the time until a batch must be acknowledged; at most 10 s,
    so that a relay that is cut off gives its shards up soon. Intervals are seconds.
    """

    dsn: str
    bootstrap_servers: str
    topic: TopicOptions
    direct_dsn: str | None = None
    request_timeout_ms: int = LONGEST_REQUEST_MS
    batch_records: int = 500
    batch_bytes: int = 512 * 1024
    gather_s: float = 0.02
    heads_every_s: float = 0.05
    checkpoint_every_s: float = 0.2
    take_over_every_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a deadline above 10 s."""
        if not 0 < self.request_timeout_ms <= LONGEST_REQUEST_MS:
            raise ValueError("request_timeout_ms is at most 10,000")


class RelayHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`ready`: connected, with every shard it leads moving. `lag` is events by shard, for those that it leads."""

    ready: bool
    leads: list[int]
    lag: dict[int, int]
    alarms: dict[int, str]


class Relay:
    """One relay process. Several may run: each shard is led by one of them, the others stand by."""

    def __init__(self, options: RelayOptions) -> None:
        self._options = options
        self._copies: dict[int, ShardCopy] = {}
        self._saved: dict[int, Acknowledged] = {}
        self._connected = False

    def health(self) -> RelayHealth:
        """What it leads now and how far behind it is."""
        copies = self._copies.values()
        return RelayHealth(
            ready=self._connected,
            leads=sorted(self._copies),
            lag={copy.shard: max(0, copy.head - copy.position) for copy in copies},
            alarms={copy.shard: copy.alarm for copy in copies if copy.alarm is not None},
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Copy until `stop`. While PostgreSQL or Kafka cannot be reached at the start, it waits for them.

        Raises:
            DeliveryFailed: a batch was not acknowledged in time, or out of sequence.
            LeadershipLost: another relay leads a shard, or the connection with the locks was cut.
            StoreLostData, StoreGap: the store is not what it was; a person has to look.
            TopicMismatch: the topic's partitions are not the shards.
            WrongNumberOfShards: the installation has another number of shards than is configured.
        """
        if await patiently(self._check_shards, stop, "PostgreSQL") is None:
            return
        calm_the_client()
        producer = await patiently(self._start_producer, stop, "Kafka")
        if producer is None:
            return
        try:
            checkpoints = await patiently(self._open_checkpoints, stop, "PostgreSQL")
            if checkpoints is None:
                return
            try:
                await self._run_connected(producer, checkpoints, stop)
            finally:
                await checkpoints.close()
        finally:
            self._connected = False
            self._copies.clear()
            await _close(producer)

    async def _check_shards(self) -> int:
        """The installation's number of shards, before a topic is made with one partition for each."""
        timeout_s = STATEMENT_TIMEOUT_S
        connection: Any = await asyncpg.connect(
            self._options.dsn,
            timeout=timeout_s,
            command_timeout=timeout_s,
            server_settings={"role": "guilder_app", "application_name": "guilder-relay"},
        )
        try:
            shards: int | None = await connection.fetchval("SELECT shards FROM installation")
        finally:
            await connection.close()
        configured = self._options.topic.partitions
        if shards != configured:
            raise WrongNumberOfShards(f"the installation has {shards} shards, {configured} are configured")
        return configured

    async def _start_producer(self) -> Any:
        options = self._options
        await ensure_topic(options.bootstrap_servers, options.topic)
        producer = AIOKafkaProducer(
            bootstrap_servers=options.bootstrap_servers,
            client_id="guilder-relay",
            enable_idempotence=True,
            acks="all",
            request_timeout_ms=options.request_timeout_ms,
            max_batch_size=options.batch_bytes,
            max_request_size=options.batch_bytes * 2,
        )
        try:
            await asyncio.wait_for(producer.start(), options.request_timeout_ms / 1000)
        except BaseException:
            await _close(producer)
            raise
        return producer

    async def _open_checkpoints(self) -> Checkpoints:
        options = self._options
        return await Checkpoints.open(options.direct_dsn or options.dsn, timeout_s=STATEMENT_TIMEOUT_S)

    async def _run_connected(self, producer: Any, checkpoints: Checkpoints, stop: asyncio.Event) -> None:
        options = self._options
        async with contextlib.AsyncExitStack() as stack:
            pool = await asyncpg.create_pool(
                options.dsn,
                min_size=1,
                max_size=3,
                command_timeout=STATEMENT_TIMEOUT_S,
                reset=leave_as_it_is,
                server_settings={"role": "guilder_app", "application_name": "guilder-relay"},
            )
            stack.push_async_callback(pool.close)
            reader = StoreReader(pool, limit=options.batch_records, gather_s=options.gather_s)
            stack.push_async_callback(reader.close)
            timeout_s = options.request_timeout_ms / 1000
            tail = TopicTail(options.bootstrap_servers, options.topic.name, timeout_s=timeout_s)
            stack.push_async_callback(tail.close)
            self._connected = True
            try:
                async with asyncio.TaskGroup() as tasks:
                    started = _Parts(producer, checkpoints, reader, tail, tasks)
                    tasks.create_task(self._lead(started, stop))
                    tasks.create_task(self._follow_heads(checkpoints, stop))
                    tasks.create_task(self._save_checkpoints(checkpoints, stop))
                    tasks.create_task(_end_when_lost(checkpoints, stop))
            except* Exception as failures:  # noqa: BLE001 - all of them end the process
                # The first failure is why the process ends; the others follow from it.
                raise _first(failures) from None
            with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
                await self._save(checkpoints)

    async def _lead(self, parts: "_Parts", stop: asyncio.Event) -> None:
        """Take every shard that nobody leads, again and again: a relay that dies leaves its shards to the others."""
        while not stop.is_set():
            free = [shard for shard in range(self._options.topic.partitions) if shard not in self._copies]
            if free:
                for lead in await parts.checkpoints.take(free):
                    self._start_copy(lead, parts, stop)
                heads = await parts.checkpoints.heads()
                self._spread(heads)
            await wait(stop, self._options.take_over_every_s)
        for copy in self._copies.values():
            copy.nudge()

    def _start_copy(self, lead: Lead, parts: "_Parts", stop: asyncio.Event) -> None:
        copy = ShardCopy(
            lead,
            self._options.topic.name,
            store=parts.checkpoints,
            reader=parts.reader,
            tail=parts.tail,
            producer=parts.producer,
            deliver_within_s=self._options.request_timeout_ms / 1000,
        )
        self._copies[lead.shard] = copy
        if lead.checkpoint is not None:
            self._saved[lead.shard] = lead.checkpoint
        parts.tasks.create_task(copy.run(stop))

    async def _follow_heads(self, checkpoints: Checkpoints, stop: asyncio.Event) -> None:
        """Announcements are quick but may be lost; the table is asked as well."""
        await checkpoints.listen(lambda shard, position: self._spread({shard: position}))
        while not stop.is_set():
            self._spread(await checkpoints.heads())
            await wait(stop, self._options.heads_every_s)

    def _spread(self, heads: dict[int, int]) -> None:
        for shard, position in heads.items():
            if copy := self._copies.get(shard):
                copy.on_head(position)

    async def _save_checkpoints(self, checkpoints: Checkpoints, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await wait(stop, self._options.checkpoint_every_s)
            await self._save(checkpoints)

    async def _save(self, checkpoints: Checkpoints) -> None:
        moved = {
            shard: (copy.lead.epoch, copy.acknowledged)
            for shard, copy in self._copies.items()
            if copy.acknowledged is not None and copy.acknowledged != self._saved.get(shard)
        }
        if moved:
            await checkpoints.save(moved)
            self._saved.update({shard: record for shard, (_, record) in moved.items()})


class _Parts:
    """What every copy is given."""

    def __init__(
        self, producer: Any, checkpoints: Checkpoints, reader: StoreReader, tail: TopicTail, tasks: asyncio.TaskGroup
    ) -> None:
        self.producer = producer
        self.checkpoints = checkpoints
        self.reader = reader
        self.tail = tail
        self.tasks = tasks


async def _end_when_lost(checkpoints: Checkpoints, stop: asyncio.Event) -> None:
    """Without the connection the locks are gone, and another relay may lead already."""
    waiting = [asyncio.create_task(checkpoints.lost.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    if not stop.is_set():
        raise LeadershipLost("the connection that held the locks is gone")


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def _close(producer: Any) -> None:
    """Stop the producer, but not for long: it would wait for Kafka as long as Kafka is away."""
    for part in (producer.stop, producer._sender.close, producer.client.close):  # noqa: SLF001 - there is no other way
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(STOP_WITHIN_S):
                await part()
