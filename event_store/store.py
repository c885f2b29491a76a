"""The event store of one process: everything the other folders call stands here."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from event_store.appends import Append, Appended
from event_store.connections import ReadConnections, connect, persistently
from event_store.execution import Decider, Executed, Execution
from event_store.group_commit import GroupCommit
from event_store.notifier import HeadNotifier
from event_store.options import StoreOptions
from event_store.schema_copies import agree_on_schemas
from event_store.stream import Stream
from event_store.stream_cache import StreamCache
from event_store.streams import COLUMNS, Streams, record_of
from event_store.traced_appends import traced
from event_store.watch import Watch
from schemas.clock import IdFactory
from schemas.envelope import Envelope
from schemas.records import Record

State = TypeVar("State")
Command = TypeVar("Command")

READ: Final = f"SELECT {COLUMNS} FROM events WHERE shard = $1 AND position > $2 ORDER BY position LIMIT $3"  # noqa: S608 - constants only
_AT: Final = f"SELECT {COLUMNS} FROM events WHERE shard = $1 AND position = $2"  # noqa: S608 - constants only


class WrongNumberOfShards(Exception):
    """The process is configured for another number of shards than the installation has, or the database has none."""


class EventStore:
    """Streams of events in PostgreSQL. One for each process; open it with `await EventStore.open(options)`."""

    def __init__(self, options: StoreOptions, shards: int) -> None:
        self._shards = shards
        self._connections = ReadConnections(options)
        cache = StreamCache(stored_bytes=options.cached_bytes)
        self._streams = Streams(self._connections, cache)
        self._watch = Watch(options, self._connections, self._streams.load)
        self._notifier = HeadNotifier(options)
        self._writer = GroupCommit(options, shards=shards, record_at=self._record_at, committed=self._committed)
        self._append = traced(self._writer.append)
        self._execution = Execution(
            self._streams,
            cache,
            self._append,
            conflict_retries=options.conflict_retries,
            waiting_limit=options.queue_limit,
        )

    @classmethod
    async def open(cls, options: StoreOptions) -> "EventStore":
        """Connect, compare the installation with `options` and with this program's schemas, and start the writer.

        Raises:
            WrongNumberOfShards: the database was made with another number, or not made at all.
            SchemaDisagreement: the database knows a schema id with another hash.
            ShardUnavailable: the database cannot be reached within the deadline.
        """
        connection: Any = await persistently(lambda: connect(options, "start"), options.reconnect_deadline_s)
        try:
            shards = await connection.fetchval("SELECT shards FROM installation")
            if shards is None:
                raise WrongNumberOfShards("the database has no shards yet; migrate it first")
            if options.shards not in {None, shards}:
                raise WrongNumberOfShards(f"the installation has {shards} shards, {options.shards} are configured")
            await agree_on_schemas(connection)
        finally:
            await connection.close()
        return cls(options, shards)

    async def close(self) -> None:
        """Refuse new commands, store those that wait, answer their callers, close every connection."""
        await self._writer.close()
        await self._watch.close()
        await self._notifier.close()
        await self._streams.close()
        await self._connections.close()

    @property
    def shards(self) -> int:
        """How many shards the installation has."""
        return self._shards

    async def append(self, append: Append) -> Appended:
        """Store one command's events durably, in one transaction with whatever else comes in this tick.

        Raises:
            AlreadyDone: its key is another command's.
            VersionConflict: the stream has moved on since it was decided.
            Overloaded: the queue is full, or the store is closing. Nothing was stored.
            ShardUnavailable: the database could not be reached; the command is stored once or not at all.
        """
        return await self._append(append)

    async def load(self, stream_id: UUID) -> Stream:
        """The stream as it is committed now; empty if it has no events.

        Raises:
            ShardUnavailable: the database cannot be reached.
        """
        return await self._streams.load(stream_id)

    async def read(self, shard: int, after: int, limit: int) -> list[Record]:
        """At most `limit` records of the shard, from position `after` + 1 on, in order.

        Raises:
            ShardUnavailable: the database cannot be reached.
        """
        return [record_of(row) for row in await self._connections.fetch(READ, shard, after, limit)]

    async def heads(self) -> dict[int, int]:
        """The newest position of every shard; 0 where there is none.

        Raises:
            ShardUnavailable: the database cannot be reached.
        """
        rows = await self._connections.fetch("SELECT shard, position FROM heads ORDER BY shard")
        return {row[0]: row[1] for row in rows}

    async def find_command(self, shard: int, command_key: UUID) -> Record | None:
        """The first event of the command that owns the key; null when no command does.

        Raises:
            ShardUnavailable: the database cannot be reached.
        """
        return await self._streams.find_command(shard, command_key)

    async def execute(
        self,
        decider: Decider[State, Command],
        stream_id: UUID,
        command: Command,
        *,
        envelope: Envelope,
        event_ids: IdFactory,
        command_key: UUID | None = None,
        request_hash: bytes | None = None,
        expected_version: int | None = None,
    ) -> Executed[State]:
        """Load the stream, let `decider` decide, append what it says; decide again when someone was faster.

        Every event gets `envelope` and an id of `event_ids`. With `expected_version` 0 the stream is taken to be new
        and is not read first. A decision without events stores nothing and leaves the key free.

        Raises:
            Rejected: whatever `decide` raises, on the newest state.
            VersionMismatch: the stream is at another version than `expected_version`.
            AlreadyDone: the key is another command's; this comes before either of the above.
            ConcurrentUpdate: the stream kept changing through `conflict_retries` decisions.
            Overloaded, ShardUnavailable: as `append` does.
        """
        return await self._execution.execute(
            decider,
            stream_id,
            command,
            envelope=envelope,
            event_ids=event_ids,
            command_key=command_key,
            request_hash=request_hash,
            expected_version=expected_version,
        )

    async def wait_for(
        self, stream_id: UUID, *, after_version: int, until: Callable[[Stream], bool], deadline_s: float
    ) -> Stream:
        """The stream once it has passed `after_version` and `until` holds, or as it is after `deadline_s` seconds.

        Raises:
            ShardUnavailable: the database cannot be reached.
        """
        return await self._watch.wait_for(stream_id, after_version=after_version, until=until, deadline_s=deadline_s)

    def end_waits(self) -> None:
        """Whoever waits for a stream gets it as it is, now and from now on; for a process that is about to end."""
        self._watch.end_waits()

    async def _record_at(self, shard: int, position: int) -> Record:
        (row,) = await self._connections.fetch(_AT, shard, position)
        return record_of(row)

    def _committed(self, stored: Sequence[tuple[Record, ...]]) -> None:
        for records in stored:
            last = records[-1]
            self._notifier.moved(last.shard, last.position)
        self._watch.touched(records[0].stream_id for records in stored)
