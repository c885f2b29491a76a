"""Rebuild a projection from the log into a new generation, prove it equal to the live one, and switch readers over.

The live generation goes on meanwhile: every transaction is short, and the two are compared on a snapshot that was
taken while they stood at the same position. A rebuild calls no PSP and sends nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import msgspec

from processors.patience import OUTAGES
from processors.rebuild import generations
from processors.rebuild.sources import LogSource
from projections.checkpoints import Checkpoint, apply_after, lock_checkpoints
from projections.digests import ShardDigest, shard_digest
from projections.projection import Projection, schema_name

BATCH_EVENTS: Final = 2000
WORKERS: Final = 3
STALLED_AFTER_S: Final = 30.0

Progress = Callable[[int, int, int], None]
"""Told the shard, the position reached and the position aimed at, after each batch."""


class RebuildDiffers(Exception):
    """The rebuilt generation is not what the live one is; readers stay where they are.

    `differing` has the tables that differ by shard; the new generation is left standing for whoever looks into it.
    """

    def __init__(self, schema: str, differing: dict[int, list[str]]) -> None:
        super().__init__(f"{schema} differs from the live generation in {differing}")
        self.schema = schema
        self.differing = differing


class SourceStalled(Exception):
    """The source does not have what the live generation has applied: its log is shorter, or it cannot be reached."""


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild did. `events` were applied; `digests` are of the new generation, `equal` to the old one's or not."""

    projection: str
    generation: int
    replaced: int
    events: int
    digests: tuple[ShardDigest, ...]
    equal: bool
    old_dropped: bool


async def open_pool(dsn: str) -> Any:
    """Connections for a rebuild, as the role that owns the read models.

    A commit does not wait for the disk: what a crash takes back is read from the log again.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=2 * WORKERS + 3,
        server_settings={
            "role": "guilder_projections",
            "application_name": "guilder-rebuild",
            "synchronous_commit": "off",
            "jit": "off",
        },
    )


class Rebuild:
    """One rebuild of one projection."""

    def __init__(
        self,
        pool: Any,
        projection: Projection,
        source: LogSource,
        *,
        shards: int,
        progress: Progress = lambda _shard, _position, _until: None,
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        self._pool = pool
        self._projection = projection
        self._source = source
        self._shards = list(range(shards))
        self._progress = progress
        self._batch_events = batch_events
        self._events = 0

    async def run(self, *, accept_differences: bool = False, keep_old: bool = False) -> RebuildReport:
        """Rebuild, compare and switch over.

        Raises:
            generations.RebuildRunning: another process rebuilds this projection.
            RebuildDiffers: the digests differ and `accept_differences` is false; nothing was switched.
            SourceStalled: the source lacks what the live generation has.
            projections.checkpoints.PositionGap: the source lacks a record in the middle.
        """
        name = self._projection.name
        async with self._pool.acquire() as connection, generations.only_one(connection, name):
            blue = await generations.live_generation(connection, name)
            green = await generations.create(connection, name, self._shards)
            for shard in self._shards:
                self._progress(shard, 0, await generations.position_of(connection, Checkpoint(name, blue, 0), shard))
            try:
                await self._in_workers(lambda shard: self._catch_up(blue, green, shard))
                digests, equal = await self._compare(blue, green, accept_differences=accept_differences)
                readers = await self._switch(connection, blue, green)
            except RebuildDiffers:
                raise
            except BaseException:
                # Where the connection is lost the next rebuild drops what is left, and its loss is what is to be told.
                with contextlib.suppress(*OUTAGES):
                    await asyncio.shield(generations.drop(connection, name, green))
                raise
            dropped = not keep_old and await generations.outlived(connection, readers)
            if dropped:
                await generations.drop_all_but(connection, name, green)
        return RebuildReport(
            projection=name,
            generation=green,
            replaced=blue,
            events=self._events,
            digests=tuple(digests),
            equal=equal,
            old_dropped=dropped,
        )

    async def _in_workers(self, work: Callable[[int], Any]) -> None:
        """Do `work` for each shard, a few at a time: while one decodes, PostgreSQL writes another."""
        waiting = list(reversed(self._shards))

        async def worker() -> None:
            while waiting:
                await work(waiting.pop())

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(WORKERS, len(self._shards))):
                    group.create_task(worker())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the others were cancelled for it

    async def _catch_up(self, blue: int, green: int, shard: int, *, goal: int | None = None) -> None:
        """Apply the log to `green` until it stands where `blue` does, or at `goal`; never past either."""
        name = self._projection.name
        loop = asyncio.get_running_loop()
        moved_at = loop.time()
        while True:
            async with self._pool.acquire() as connection:
                until = goal
                if until is None:
                    until = await generations.position_of(connection, Checkpoint(name, blue, 0), shard)
                position = await generations.position_of(connection, Checkpoint(name, green, 0), shard)
            if position >= until:
                self._progress(shard, position, until)
                return
            records = await self._source.read(shard, position, until, self._batch_events)
            if not records:
                if loop.time() - moved_at > STALLED_AFTER_S:
                    raise SourceStalled(f"shard {shard} ends at {position} in the source, {until} has been applied")
                await asyncio.sleep(0.05)
                continue
            async with self._pool.acquire() as connection, connection.transaction():
                checkpoint = await generations.lock(connection, name, green, shard)
                moved = await apply_after(connection, self._projection, {shard: checkpoint}, {shard: records})
            reached = moved[shard]
            self._events += reached - position
            moved_at = loop.time()
            self._progress(shard, reached, until)

    async def _compare(self, blue: int, green: int, *, accept_differences: bool) -> tuple[list[ShardDigest], bool]:
        """Digests of `green` for each shard, and whether `blue` has the same.

        Raises:
            RebuildDiffers: it has not, and that is not accepted.
        """
        digests, differing = [], {}
        for shard in self._shards:
            old, new = await self._digests_at_one_position(blue, green, shard)
            digests.append(new)
            tables = [table for table, sha256 in new.tables.items() if old.tables[table] != sha256]
            if tables:
                differing[shard] = tables
        if differing and not accept_differences:
            raise RebuildDiffers(schema_name(self._projection.name, green), differing)
        return digests, not differing

    async def _digests_at_one_position(self, blue: int, green: int, shard: int) -> tuple[ShardDigest, ShardDigest]:
        name, schemas = self._projection.name, [schema_name(self._projection.name, n) for n in (blue, green)]
        await self._catch_up(blue, green, shard)
        async with (
            self._pool.acquire() as reader,
            reader.transaction(isolation="repeatable_read", readonly=True),
        ):
            async with self._pool.acquire() as holder, holder.transaction():
                # While the live checkpoint is held nothing is applied: level the new generation, then take the snapshot.
                await generations.hold_no_longer_than_alive(holder)
                checkpoint = (await lock_checkpoints(holder, [shard], [name]))[name][shard]
                await self._catch_up(blue, green, shard, goal=checkpoint.position)
                await reader.execute("SELECT FROM live")
            old, new = [
                await shard_digest(reader, self._projection, schema, shard, checkpoint.position) for schema in schemas
            ]
        return old, new

    async def _switch(self, connection: Any, blue: int, green: int) -> set[str]:
        """Level every shard while nobody applies events, and change the one row that readers and projector follow.

        Returns:
            The transactions that were under way then, and may still be reading `blue`.
        """
        for shard in self._shards:
            await self._catch_up(blue, green, shard)
        async with connection.transaction():
            positions = await generations.exclude_appliers(connection, self._projection.name, blue)
            for shard in self._shards:
                await self._catch_up(blue, green, shard, goal=positions[shard])
            await generations.make_live(connection, self._projection.name, green)
        return await generations.transactions_under_way(connection)
