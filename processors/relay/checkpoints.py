"""Who leads which shard, and how far the topic is known to reach: advisory locks and checkpoint rows in PostgreSQL.

Locks live as long as the session that took them, so all of this goes over one direct connection, never through a
pooler. Each taking of a lock raises the shard's epoch, and a checkpoint is written only under the epoch that its writer
took: a relay that lost its lock without noticing cannot move the row of the one that leads now.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

LOCK_CLASS: Final = 0x474C4452
"""First half of the advisory lock's key, shared by all shards (the letters GLDR); the second half is the shard."""

HEADS_CHANNEL: Final = "guilder_heads"

_TAKE_LOCKS: Final = """
    SELECT shard FROM unnest($1::integer[]) AS wanted (shard) WHERE pg_try_advisory_lock($2, shard)
"""
_RAISE_EPOCHS: Final = """
    INSERT INTO relay_checkpoints AS c (shard) SELECT unnest($1::integer[])
    ON CONFLICT (shard) DO UPDATE SET epoch = c.epoch + 1
    RETURNING shard, epoch, position, kafka_offset, event_id
"""
_SAVE: Final = """
    UPDATE relay_checkpoints AS c
    SET position = n.position, kafka_offset = n.kafka_offset, event_id = n.event_id
    FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::uuid[])
        AS n (shard, epoch, position, kafka_offset, event_id)
    WHERE c.shard = n.shard AND c.epoch = n.epoch
    RETURNING c.shard
"""


class LeadershipLost(Exception):
    """Another relay has taken a shard that this one believed to lead, or the connection with the locks is gone."""


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """A record that the topic holds: its position in the shard, its offset in the partition, its event's id."""

    position: int
    offset: int
    event_id: UUID


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """A shard that this process leads, since `epoch`, and what its checkpoint said when the lock was taken."""

    shard: int
    epoch: int
    checkpoint: Acknowledged | None


class Checkpoints:
    """The direct connection: locks, epochs, checkpoints, and the news of each shard's head."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()
        self.lost = asyncio.Event()
        connection.add_termination_listener(lambda _: self.lost.set())

    @classmethod
    async def open(cls, dsn: str, *, timeout_s: float) -> "Checkpoints":
        """Connect as the service's role; every statement is bounded by `timeout_s`."""
        connection = await asyncpg.connect(
            dsn,
            timeout=timeout_s,
            command_timeout=timeout_s,
            server_settings={
                "role": "guilder_app",
                "application_name": "guilder-relay",
                # A checkpoint may be behind: the topic's tail tells the rest. It need not wait for the disk.
                "synchronous_commit": "off",
            },
        )
        return cls(connection)

    async def close(self) -> None:
        """Give the locks back. A connection that is gone already has done so."""
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await self._connection.close(timeout=2)

    async def take(self, shards: Sequence[int]) -> list[Lead]:
        """Try to lead `shards`; those that another relay leads are left out."""
        async with self._one_at_a_time:
            taken = [row["shard"] for row in await self._connection.fetch(_TAKE_LOCKS, list(shards), LOCK_CLASS)]
            if not taken:
                return []
            rows = await self._connection.fetch(_RAISE_EPOCHS, taken)
        return [Lead(shard=row["shard"], epoch=row["epoch"], checkpoint=_checkpoint(row)) for row in rows]

    async def save(self, acknowledged: Mapping[int, tuple[int, Acknowledged]]) -> None:
        """Write checkpoints: shard → (epoch, record).

        Raises:
            LeadershipLost: another relay has raised the epoch of one of them.
        """
        columns: list[list[Any]] = [[], [], [], [], []]
        for shard, (epoch, record) in sorted(acknowledged.items()):
            for column, value in zip(
                columns, (shard, epoch, record.position, record.offset, record.event_id), strict=True
            ):
                column.append(value)
        async with self._one_at_a_time:
            saved = {row["shard"] for row in await self._connection.fetch(_SAVE, *columns)}
        if fenced := sorted(acknowledged.keys() - saved):
            raise LeadershipLost(f"another relay leads shards {fenced} now")

    async def listen(self, on_head: Callable[[int, int], None]) -> None:
        """Call `on_head(shard, position)` whenever an append is announced."""

        def on_notification(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            shard, _, position = str(payload).partition(":")
            on_head(int(shard), int(position))

        async with self._one_at_a_time:
            await self._connection.add_listener(HEADS_CHANNEL, on_notification)

    async def heads(self) -> dict[int, int]:
        """The highest position of every shard."""
        async with self._one_at_a_time:
            return {
                row["shard"]: row["position"]
                for row in await self._connection.fetch("SELECT shard, position FROM heads")
            }

    async def event_id_at(self, shard: int, position: int) -> UUID | None:
        """The id of the event that the store holds at a position; None where it holds none."""
        async with self._one_at_a_time:
            event_id: UUID | None = await self._connection.fetchval(
                "SELECT event_id FROM events WHERE shard = $1 AND position = $2", shard, position
            )
        return event_id


def _checkpoint(row: Mapping[str, Any]) -> Acknowledged | None:
    if row["position"] == 0:
        return None
    return Acknowledged(position=row["position"], offset=row["kafka_offset"], event_id=row["event_id"])
