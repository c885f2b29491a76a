"""How far a follower has got, written in the transaction of whatever it made of the events."""

from collections.abc import Sequence
from typing import Any, Final

from eventsourcing.persistence import IntegrityError, ProcessRecorder, Tracking, TrackingRecorder

from event_store.bridge.database import Database
from event_store.bridge.shard_recorder import Around, ShardRecorder

_INSERT: Final = """
INSERT INTO tracking (follower, upstream, shard, notification_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (follower, upstream, shard) DO UPDATE SET notification_id = excluded.notification_id
WHERE tracking.notification_id < excluded.notification_id
RETURNING notification_id
"""
_MAX: Final = "SELECT notification_id FROM tracking WHERE follower = $1 AND upstream = $2 AND shard = $3"


async def insert_tracking(connection: Any, follower: str, shard: int, tracking: Tracking) -> None:
    """Write down that `follower` has processed the notification.

    Raises:
        IntegrityError: it has processed that one, or a later one, before.
    """
    rows: Sequence[Any] = await connection.fetch(
        _INSERT, follower, tracking.application_name, shard, tracking.notification_id
    )
    if not rows:
        raise IntegrityError(f"{tracking.application_name} was followed past {tracking.notification_id} before")


class ShardTrackingRecorder(TrackingRecorder):
    """Keeps how far the application named `follower` has followed a shard."""

    def __init__(self, database: Database, shard: int, follower: str) -> None:
        self.database = database
        self.shard = shard
        self.follower = follower

    def insert_tracking(self, tracking: Tracking) -> None:
        """Write down that a notification was processed.

        Raises:
            IntegrityError: it, or a later one, was processed before.
        """

        async def work(connection: Any) -> None:
            await insert_tracking(connection, self.follower, self.shard, tracking)

        self.database.transaction(work)

    def max_tracking_id(self, application_name: str) -> int | None:
        """The last notification of the application that was processed, null for none."""
        rows = self.database.fetch(_MAX, self.follower, application_name, self.shard)
        return rows[0][0] if rows else None


class ShardProcessRecorder(ShardRecorder, ShardTrackingRecorder, ProcessRecorder):
    """Appends what an application makes of a notification, together with how far it has got."""

    def __init__(self, database: Database, shard: int, follower: str, envelope: Around | None = None) -> None:
        ShardRecorder.__init__(self, database, shard, envelope)
        ShardTrackingRecorder.__init__(self, database, shard, follower)

    async def _also(self, connection: Any, *, tracking: Tracking | None = None, **_: Any) -> None:
        if tracking is not None:
            await insert_tracking(connection, self.follower, self.shard, tracking)
