"""Executing a command: load the stream, let the aggregate decide, append, and decide again if someone was faster."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from event_store.appends import AlreadyDone, Append, Appended, NewEvent, VersionConflict
from event_store.stream import Stream
from event_store.stream_cache import Folded, StreamCache
from event_store.streams import Streams
from schemas.clock import IdFactory
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.errors import ConcurrentUpdate, Overloaded, Rejected, VersionMismatch
from schemas.events import Event
from schemas.identifiers import shard_of
from schemas.records import RecordedEvent

State = TypeVar("State")
Command_contra = TypeVar("Command_contra", contravariant=True)
Command = TypeVar("Command")


class Decider(Protocol[State, Command_contra]):
    """An aggregate: `decide` says what happens or raises a `Rejected`, `evolve` folds. An aggregate's module is one."""

    def initial(self) -> State:
        """The state before the first event."""
        ...

    def decide(self, command: Command_contra, state: State, /) -> Sequence[Event]:
        """The events that the command causes; none when there is nothing left to do."""
        ...

    def evolve(self, state: State, recorded: RecordedEvent, /) -> State:
        """The state after one more event."""
        ...


class Executed(msgspec.Struct, Generic[State], frozen=True, gc=False):
    """What came of a command: the state after it, the events it appended, and the whole stream with them."""

    state: State
    appended: tuple[RecordedEvent, ...]
    stream: Stream


class _Fold(msgspec.Struct, frozen=True, gc=False):
    """A stream and what one decider folds it to; `fresh` when it was just read from the database."""

    decider: Any
    stream: Stream
    state: Any
    fresh: bool


class _Turn:
    """Who may work on a stream, and how many want to."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Execution:
    """Runs commands, one at a time for each stream of this process, so that it never conflicts with itself.

    A decision is first made on what the cache knows. Nothing can be stored on a stale one, since the append compares
    the token; a refusal, which stores nothing, is only given on the fresh state.
    """

    def __init__(
        self,
        streams: Streams,
        cache: StreamCache,
        append: Callable[[Append], Awaitable[Appended]],
        *,
        conflict_retries: int,
        waiting_limit: int,
    ) -> None:
        self._streams = streams
        self._cache = cache
        self._append = append
        self._conflict_retries = conflict_retries
        self._waiting_limit = waiting_limit
        self._turns: dict[UUID, _Turn] = {}
        self._waiting = 0

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
        """See `EventStore.execute`."""
        # Of a stream that is said to be new nobody else can know yet, so there is nobody to take turns with.
        turn = None if expected_version == 0 else await self._take_turn(stream_id)
        try:
            fold = await self._first_fold(decider, stream_id, expected_version)
            conflicts = 0
            while conflicts <= self._conflict_retries:
                try:
                    events = self._decide(decider, command, fold, expected_version)
                except Rejected:
                    if fold.fresh:
                        await self._raise_if_done(stream_id, command_key)
                        raise
                    events = ()
                if events:
                    try:
                        return await self._store(
                            fold,
                            events,
                            envelope=envelope,
                            event_ids=event_ids,
                            command_key=command_key,
                            request_hash=request_hash,
                        )
                    except VersionConflict:
                        conflicts += 1
                elif fold.fresh:
                    await self._raise_if_done(stream_id, command_key)
                    return Executed(fold.state, (), fold.stream)
                fold = self._folded(decider, await self._streams.load(stream_id), fresh=True)
        finally:
            if turn is not None:
                turn.lock.release()
                self._leave(stream_id, turn)
        raise ConcurrentUpdate

    def _decide(
        self, decider: Decider[State, Command], command: Command, fold: _Fold, expected_version: int | None
    ) -> Sequence[Event]:
        if expected_version is not None and fold.stream.version != expected_version:
            raise VersionMismatch(f"the object is at version {fold.stream.version}", version=fold.stream.version)
        return decider.decide(command, fold.state)

    async def _first_fold(
        self, decider: Decider[State, Command], stream_id: UUID, expected_version: int | None
    ) -> _Fold:
        known = self._cache.stream(stream_id)
        if known is None and expected_version == 0:
            # A stream that is said to be new need not be read: the append finds out.
            return _Fold(decider, Stream(stream_id), decider.initial(), fresh=False)
        if known is not None:
            return self._folded(decider, known, fresh=False)
        return self._folded(decider, await self._streams.load(stream_id), fresh=True)

    def _folded(self, decider: Any, stream: Stream, *, fresh: bool) -> _Fold:
        known = self._cache.folded(stream.stream_id)
        if known is not None and known.decider is decider and known.version <= stream.version:
            state, rest = known.state, stream.records[known.version :]
        else:
            state, rest = decider.initial(), stream.records
        for recorded in rest:
            state = decider.evolve(state, recorded)
        if rest:
            self._cache.remember(stream, Folded(decider, stream.version, state))
        return _Fold(decider, stream, state, fresh)

    async def _store(
        self,
        fold: _Fold,
        events: Sequence[Event],
        *,
        envelope: Envelope,
        event_ids: IdFactory,
        command_key: UUID | None,
        request_hash: bytes | None,
    ) -> Executed[Any]:
        stream_id = fold.stream.stream_id
        shard = shard_of(stream_id)
        metadata = envelope.canonical()
        new = tuple(
            NewEvent(event_ids.new_id(shard), type(event).__name__, encode(event), metadata) for event in events
        )
        append = Append(stream_id, fold.stream.version, fold.stream.record_hash, new, command_key, request_hash)
        records = (await self._append(append)).records
        decoded = tuple(
            RecordedEvent(
                event=event,
                envelope=envelope,
                event_id=record.event_id,
                stream_id=stream_id,
                version=record.version,
                shard=shard,
                position=record.position,
                recorded_at=record.recorded_at,
            )
            for event, record in zip(events, records, strict=True)
        )
        stream, state = fold.stream.extended(records, decoded), fold.state
        for recorded in decoded:
            state = fold.decider.evolve(state, recorded)
        self._cache.remember(stream, Folded(fold.decider, stream.version, state))
        return Executed(state, decoded, stream)

    async def _raise_if_done(self, stream_id: UUID, command_key: UUID | None) -> None:
        """A repeat of a command may well be refused by the state that the command itself left: it is a repeat first."""
        if command_key is not None:
            record = await self._streams.find_command(shard_of(stream_id), command_key)
            if record is not None:
                raise AlreadyDone(record)

    async def _take_turn(self, stream_id: UUID) -> _Turn:
        turn = self._turns.get(stream_id)
        if turn is None:
            turn = self._turns[stream_id] = _Turn()
        elif self._waiting >= self._waiting_limit:
            raise Overloaded
        turn.users += 1
        self._waiting += 1
        try:
            await turn.lock.acquire()
        except asyncio.CancelledError:
            self._leave(stream_id, turn)
            raise
        finally:
            self._waiting -= 1
        return turn

    def _leave(self, stream_id: UUID, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users:
            del self._turns[stream_id]
