"""The generations of a projection: made beside the live one, switched over in one row, dropped when nobody reads them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from processors.patience import OUTAGES
from projections.checkpoints import Checkpoint
from projections.projection import schema_name

_LIVE: Final = "SELECT generation FROM live WHERE projection = $1"
_EXISTING: Final = """
    SELECT substr(nspname, length($1) + 2)::integer AS generation FROM pg_namespace
    WHERE nspname ~ ('^' || $1 || '_[0-9]{1,9}$') ORDER BY 1
"""
_OPEN_CHECKPOINTS: Final = """
    INSERT INTO checkpoints (projection, generation, shard) SELECT $1, $2, s FROM unnest($3::integer[]) s
    ON CONFLICT DO NOTHING
"""
_LOCK: Final = "SELECT position FROM checkpoints WHERE projection = $1 AND generation = $2 AND shard = $3 FOR UPDATE"
_LOCK_ALL: Final = """
    SELECT shard, position FROM checkpoints WHERE projection = $1 AND generation = $2 ORDER BY shard FOR UPDATE
"""
_POSITION: Final = "SELECT position FROM checkpoints WHERE projection = $1 AND generation = $2 AND shard = $3"
# Every transaction holds a lock on its own virtual id while it lasts, which anyone may see.
_UNDER_WAY: Final = """
    SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'virtualxid' AND l.granted AND a.datname = current_database() AND l.pid <> pg_backend_pid()
"""
_READERS_WAIT_S: Final = 30.0
# Longer than a rebuild waits for a source that stands still.
_HELD_AT_MOST_S: Final = 40.0


class RebuildRunning(Exception):
    """Another process is rebuilding this projection."""


@asynccontextmanager
async def only_one(connection: Any, projection: str) -> AsyncIterator[None]:
    """Keep every other rebuild of this projection out while the context lasts.

    Raises:
        RebuildRunning: one is under way.
    """
    key = f"guilder/rebuild/{projection}"
    if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key):
        raise RebuildRunning(f"{projection} is being rebuilt by another process")
    try:
        yield
    finally:
        # A session that is gone has given its lock back.
        with contextlib.suppress(*OUTAGES):
            await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", key)


async def live_generation(connection: Any, projection: str) -> int:
    """The generation that readers use."""
    generation: int = await connection.fetchval(_LIVE, projection)
    return generation


async def existing(connection: Any, projection: str) -> list[int]:
    """Every generation that has tables, ascending."""
    return [row["generation"] for row in await connection.fetch(_EXISTING, projection)]


async def create(connection: Any, projection: str, shards: list[int]) -> int:
    """Make the next generation's empty tables and its checkpoints at 0; abandoned attempts are dropped first.

    A generation above the live one is what a rebuild that was killed has left.
    """
    live = await live_generation(connection, projection)
    for generation in await existing(connection, projection):
        if generation > live:
            await drop(connection, projection, generation)
    async with connection.transaction():
        await connection.execute(f"SELECT create_{projection}_generation($1)", live + 1)
        for generation in (live, live + 1):
            await connection.execute(_OPEN_CHECKPOINTS, projection, generation, shards)
    return live + 1


async def drop(connection: Any, projection: str, generation: int) -> None:
    """Drop a generation's tables and its checkpoints; never the live one's, whatever the caller believes is live."""
    async with connection.transaction():
        # FOR SHARE: nobody switches to it between this look and the drop.
        live = await connection.fetchval("SELECT generation FROM live WHERE projection = $1 FOR SHARE", projection)
        if live == generation:
            return
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema_name(projection, generation)} CASCADE")
        await connection.execute(
            "DELETE FROM checkpoints WHERE projection = $1 AND generation = $2", projection, generation
        )


async def drop_all_but(connection: Any, projection: str, kept: int) -> None:
    """Drop every other generation of a projection."""
    for generation in await existing(connection, projection):
        if generation != kept:
            await drop(connection, projection, generation)


async def position_of(connection: Any, checkpoint: Checkpoint, shard: int) -> int:
    """How far a generation has come in one shard."""
    return await connection.fetchval(_POSITION, checkpoint.projection, checkpoint.generation, shard) or 0


async def lock(connection: Any, projection: str, generation: int, shard: int) -> Checkpoint:
    """Lock one generation's checkpoint of one shard until the transaction ends."""
    position = await connection.fetchval(_LOCK, projection, generation, shard)
    assert position is not None, f"generation {generation} of {projection} has no checkpoint for shard {shard}"
    return Checkpoint(projection, generation, position)


async def hold_no_longer_than_alive(connection: Any) -> None:
    """Have PostgreSQL end this transaction, and its locks with it, should nobody go on with it.

    Whoever applies events waits for those locks, and the connection of a machine that is gone may stand for hours.
    """
    await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {round(_HELD_AT_MOST_S * 1000)}")


async def exclude_appliers(connection: Any, projection: str, generation: int) -> dict[int, int]:
    """Wait until nobody is applying events and let nobody begin, until the transaction ends; where each shard stands.

    The counterpart of the shared lock that `lock_checkpoints` takes.
    """
    await hold_no_longer_than_alive(connection)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('guilder/live', 0))")
    rows = await connection.fetch(_LOCK_ALL, projection, generation)
    return {row["shard"]: row["position"] for row in rows}


async def make_live(connection: Any, projection: str, generation: int) -> None:
    """Let readers and the projector use this generation from the commit on."""
    await connection.execute("UPDATE live SET generation = $2 WHERE projection = $1", projection, generation)


async def transactions_under_way(connection: Any) -> set[str]:
    """The transactions of this database that have begun and not ended."""
    return {row["virtualtransaction"] for row in await connection.fetch(_UNDER_WAY)}


async def outlived(connection: Any, transactions: set[str]) -> bool:
    """Wait until all of `transactions` have ended, so that none still reads what is to be dropped.

    False when one of them goes on for half a minute.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _READERS_WAIT_S
    while transactions & await transactions_under_way(connection):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def shards_of(connection: Any) -> int:
    """The number of shards of this installation, as its database has it."""
    shards: int = await connection.fetchval("SELECT shards FROM installation")
    return shards
