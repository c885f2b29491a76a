"""Recorders of the `eventsourcing` library over one shard of the log."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    DataError,
    IntegrityError,
    ListenNotifySubscription,
    Notification,
    ProgrammingError,
    StoredEvent,
    Subscription,
)

from event_store.appends import Append, NewEvent, Sealed, chained
from event_store.batch import APPEND, Outcome, arguments
from event_store.bridge.database import Database
from event_store.record_hashes import NO_PREDECESSOR
from schemas.codec import FrameMalformed, schema_of
from schemas.envelope import Envelope
from schemas.identifiers import derived_id, shard_of

_EVENTS: Final = """
SELECT stream_id, version, type, payload FROM events
WHERE shard = $1 AND stream_id = $2 AND ($3::integer IS NULL OR version > $3) AND ($4::integer IS NULL OR version <= $4)
ORDER BY version {order} LIMIT $5
"""
_EVENTS_UP: Final = _EVENTS.format(order="ASC")
_EVENTS_DOWN: Final = _EVENTS.format(order="DESC")
_NOTIFICATIONS: Final = """
SELECT position, stream_id, version, type, payload FROM events
WHERE shard = $1 AND position >= $2 AND ($3::bigint IS NULL OR position <= $3)
  AND (cardinality($4::text[]) = 0 OR type = ANY ($4))
ORDER BY position LIMIT $5
"""
_HEAD: Final = "SELECT position FROM heads WHERE shard = $1"
_NOW_MS: Final = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_TIP: Final = "SELECT record_hash FROM events WHERE shard = $1 AND stream_id = $2 AND version = $3"

Around = Callable[[StoredEvent, int], Envelope]


class Writing(msgspec.Struct, frozen=True):
    """One call of `insert_events`, grouped by stream: the commands, and which of their events each stored event is."""

    commands: tuple[Sealed, ...]
    places: tuple[tuple[int, int], ...]


class ShardStreamRecorder(AggregateRecorder):
    """The streams of one shard. A stored event's topic is the event's type, its state the wire frame.

    `envelope(stored_event, now_ms)` says what stands around an event that is appended; without it the recorder only
    reads.
    """

    def __init__(self, database: Database, shard: int, envelope: Around | None = None) -> None:
        self.database = database
        self.shard = shard
        self._envelope = envelope

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append all or none of the events, in one transaction.

        Raises:
            IntegrityError: a version is taken, or does not follow the one before it.
            DataError: a state is no well-formed frame of its topic.
            ProgrammingError: the recorder only reads, or a stream is another shard's.
        """
        self._insert(stored_events, **kwargs)
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The stream's events with gt < version ≤ lte, newest first if `desc`."""
        rows = self.database.fetch(
            _EVENTS_DOWN if desc else _EVENTS_UP, self.shard, _uuid(originator_id), gt, lte, limit
        )
        return [StoredEvent(*row) for row in rows]

    def schema_sha256(self, stored_event: StoredEvent) -> bytes:
        """The hash of the schema that wrote the event, which is thereby admitted to this shard's log."""
        if shard_of(_uuid(stored_event.originator_id)) != self.shard:
            raise ProgrammingError(f"stream {stored_event.originator_id} is not of shard {self.shard}")
        try:
            schema = schema_of(stored_event.state)
        except FrameMalformed as error:
            raise DataError(str(error)) from error
        if schema.event_type != stored_event.topic:
            raise DataError(f"the frame holds {schema.event_type}, not {stored_event.topic}")
        return schema.sha256

    def _insert(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> list[int]:
        async def work(connection: Any) -> list[int]:
            positions = await self._append(connection, stored_events) if stored_events else []
            await self._also(connection, **kwargs)
            return positions

        positions = self.database.transaction(work)
        if positions:
            self.database.announce(self.shard, max(positions))
        return positions

    async def _also(self, connection: Any, **kwargs: Any) -> None:
        """What else belongs to the transaction: nothing, unless the recorder tracks."""

    async def _append(self, connection: Any, stored_events: Sequence[StoredEvent]) -> list[int]:
        writing = await self._writing(connection, stored_events)
        rows = await connection.fetch(APPEND, *arguments(writing.commands))
        for row, sealed in zip(rows, writing.commands, strict=True):
            if row["outcome"] != Outcome.APPENDED:
                raise IntegrityError(f"stream {sealed.append.stream_id} has moved on")
        return [rows[command]["first_position"] + index for command, index in writing.places]

    async def _writing(self, connection: Any, stored_events: Sequence[StoredEvent]) -> Writing:
        envelope = self._envelope
        if envelope is None:
            raise ProgrammingError("this recorder only reads; it was given no envelope to append with")
        now_ms = await connection.fetchval(_NOW_MS)
        streams: dict[UUID, list[StoredEvent]] = {}
        for event in stored_events:
            streams.setdefault(_uuid(event.originator_id), []).append(event)
        numbers = {stream_id: number for number, stream_id in enumerate(streams)}
        seen = dict.fromkeys(streams, 0)
        places = []
        for event in stored_events:
            stream_id = _uuid(event.originator_id)
            places.append((numbers[stream_id], seen[stream_id]))
            seen[stream_id] += 1
        commands = []
        for stream_id, events in streams.items():
            expected = events[0].originator_version - 1
            if [event.originator_version for event in events] != list(range(expected + 1, expected + 1 + len(events))):
                raise IntegrityError(f"the versions of stream {stream_id} do not follow each other")
            tip = await connection.fetchval(_TIP, self.shard, stream_id, expected)
            if tip is None and expected > 0:
                raise IntegrityError(f"stream {stream_id} has no version {expected} yet")
            new = tuple(self._new_event(event, envelope(event, now_ms)) for event in events)
            append = Append(stream_id, expected, tip or NO_PREDECESSOR, new)
            schema_hashes = [self.schema_sha256(event) for event in events]
            commands.append(Sealed(append, self.shard, chained(append, schema_hashes)))
        return Writing(tuple(commands), tuple(places))

    def _new_event(self, event: StoredEvent, envelope: Envelope) -> NewEvent:
        # The library has no ids for events, so an event's id follows from what it is and where it stands.
        event_id = derived_id(
            self.shard, "event", _uuid(event.originator_id), event.originator_version, event.topic, event.state
        )
        return NewEvent(event_id, event.topic, event.state, envelope.canonical())


class ShardRecorder(ShardStreamRecorder, ApplicationRecorder):
    """The shard as an application's notification log: a notification's id is its position, dense from 1."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """As `ShardStreamRecorder.insert_events`; returns the events' positions."""
        return self._insert(stored_events, **kwargs)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """At most `limit` notifications from position `start` (or the one after it) to `stop`, of these topics."""
        first = (1 if start is None else start) + (start is not None and not inclusive_of_start)
        rows = self.database.fetch(_NOTIFICATIONS, self.shard, first, stop, list(topics), limit)
        return [
            Notification(id=row[0], originator_id=row[1], originator_version=row[2], topic=row[3], state=row[4])
            for row in rows
        ]

    def max_notification_id(self) -> int | None:
        """The newest position of the shard, null when it has none."""
        return self.database.fetch(_HEAD, self.shard)[0][0] or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """All notifications behind position `gt`, then new ones as they are recorded, in whatever process."""
        return ShardSubscription(self, gt=gt, topics=topics)


class ShardSubscription(ListenNotifySubscription[ShardRecorder]):
    """A subscription that is woken by `guilder_heads`, and looks by itself twice a second."""

    def __init__(self, recorder: ShardRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        recorder.database.listen(recorder.shard, self._notified)

    def stop(self) -> None:
        """Stop the subscription; whoever iterates it comes to its end."""
        super().stop()
        self._recorder.database.unlisten(self._recorder.shard, self._notified)

    @property
    def _notified(self) -> threading.Event:
        return self._has_been_notified


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)
