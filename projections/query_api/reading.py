"""Reading a projection: one consistent snapshot of the live generation, at a position that the answer states."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg
import msgspec

from projections.pooled_connections import leave_as_it_is
from projections.positions import MalformedPosition, parse_positions, position_text
from projections.projection import schema_name
from projections.query_api.parameters import bad_parameter
from schemas.errors import Overloaded, PositionNotReached, ShardUnavailable
from schemas.routes import Call
from schemas.tick_batch import TickBatch
from schemas.timestamps import parse_rfc3339

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")
Read = Callable[[Sequence[Key]], Awaitable[Mapping[Key, Found]]]

ROLE: Final = "guilder_projections"
KEPT_ANSWERS: Final = 10_000
_KEYS_OF_A_QUERY: Final = 512
MIN_POSITION_HEADER: Final = "guilder-min-position"
_POLL_S: Final = 0.02
_MARGIN_S: Final = 1.0
_UNREACHABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    ConnectionError,
)
_LIVE: Final = """
    SELECT l.generation, c.shard, c.position
    FROM live l LEFT JOIN checkpoints c ON c.projection = l.projection AND c.generation = l.generation AND c.shard = ANY ($2)
    WHERE l.projection = $1
"""
_POSITIONS_AT: Final = "SELECT s AS shard, position_at(s, $2) AS position FROM unnest($1::integer[]) s"


class QueryServices:
    """What the routes over read models need: a pool of connections that can write nothing, and the number of shards.

    `max_wait_s` bounds how long a read waits for its read model to reach a position, `kept_answers` how many answers are
    kept for as long as they hold.
    """

    def __init__(self, pool: Any, *, shards: int, max_wait_s: float = 5.0, kept_answers: int = KEPT_ANSWERS) -> None:
        self.pool = pool
        self.shards = shards
        self.max_wait_s = max_wait_s
        self.kept_answers = kept_answers
        self.last_seen: dict[str, int] = {}
        """Which generation of each projection was live when it was last read; it may have been switched since."""
        self._batches: dict[Any, TickBatch[Any, Any]] = {}

    def batched(self, reader: "Callable[[QueryServices], Read[Key, Found]]") -> "TickBatch[Key, Found]":
        """The batch through which all calls ask the `reader` of these services, which answers many keys with one query."""
        batch = self._batches.get(reader)
        if batch is None:
            # One at a time: what is asked so often is in PostgreSQL's memory, and the fewer queries, the less each answer costs.
            batch = self._batches[reader] = TickBatch(reader(self), limit=_KEYS_OF_A_QUERY, at_once=1)
        return batch

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        shards: int,
        connections: int = 8,
        statement_timeout_ms: int = 10_000,
        max_wait_s: float = 5.0,
        kept_answers: int = KEPT_ANSWERS,
    ) -> "QueryServices":
        """Connect as the projections' role, read-only."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=connections,
            # A server that is gone without a word ends no statement by itself.
            command_timeout=statement_timeout_ms / 1000 + _MARGIN_S,
            reset=leave_as_it_is,
            server_settings={
                "role": ROLE,
                "default_transaction_read_only": "on",
                "statement_timeout": str(statement_timeout_ms),
                "jit": "off",
                "application_name": "guilder-query-api",
            },
        )
        return cls(pool, shards=shards, max_wait_s=max_wait_s, kept_answers=kept_answers)

    async def close(self) -> None:
        """Close the connections once the running reads have ended."""
        for batch in self._batches.values():
            await batch.close()
        await self.pool.close()


class Reading(msgspec.Struct, kw_only=True):
    """A snapshot of one projection: `positions` is where it stands, `as_of` what the answer is to hold for.

    Both have every shard that the answer covers; `past` says whether they differ.
    """

    connection: Any
    schema: str
    positions: Mapping[int, int]
    as_of: Mapping[int, int]
    past: bool

    def vector(self) -> tuple[list[int], list[int]]:
        """`as_of` as two parallel arrays, shards and positions."""
        return list(self.as_of.keys()), list(self.as_of.values())

    def as_of_text(self) -> str:
        """`as_of` as the API spells it."""
        return position_text(self.as_of)

    def headers(self) -> dict[str, str]:
        """What every answer over a read model carries: how far the read model has come.

        And, where it was asked for another moment, the positions that it holds for: a list has no room for them in its
        body, and a client has to ask for the next page, or again later, by what the first answer was about.
        """
        headers = {"Guilder-Position": position_text(self.positions)}
        if self.as_of is not self.positions:
            headers["Guilder-As-Of"] = self.as_of_text()
        return headers


@asynccontextmanager
async def reading(
    services: QueryServices, call: Call, projection: str, shards: list[int], *, as_of: str | None = None
) -> AsyncIterator[Reading]:
    """A snapshot in which the projection has reached the position that the call asks for, in `shards`.

    Raises:
        ValidationFailed: `as_of` or the header is no position or names a shard that is not there, or `as_of` leaves out
            one that the answer covers.
        PositionNotReached: the projection did not get there within the time that the services allow.
    """
    wanted = _min_position(call, shards, services.shards)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + services.max_wait_s
    chosen: Mapping[int, int] | None = None
    while True:
        async with _snapshot(services) as connection:
            if as_of is not None and chosen is None:
                chosen = await _resolve(connection, as_of, shards, services.shards)
                wanted = {shard: max(wanted.get(shard, 0), chosen[shard]) for shard in shards}
            generation, positions = await _live(connection, projection, shards)
            services.last_seen[projection] = generation
            if all(positions[shard] >= position for shard, position in wanted.items()):
                yield Reading(
                    connection=connection,
                    schema=schema_name(projection, generation),
                    positions=positions,
                    as_of=positions if chosen is None else chosen,
                    past=chosen is not None and chosen != positions,
                )
                return
        if loop.time() >= deadline:
            raise PositionNotReached(f"The read model is at {position_text(positions)}.")
        await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def _snapshot(services: QueryServices) -> AsyncIterator[Any]:
    async with connected(services) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


@asynccontextmanager
async def connected(services: QueryServices) -> AsyncIterator[Any]:
    """A connection of the pool.

    Raises:
        ShardUnavailable: PostgreSQL cannot be reached, or went away meanwhile.
        Overloaded: no connection came free, or a statement took too long.
    """
    try:
        async with services.pool.acquire(timeout=services.max_wait_s) as connection:
            yield connection
    except (asyncpg.QueryCanceledError, TimeoutError) as error:
        raise Overloaded("The read models are too busy to answer in time.") from error
    except _UNREACHABLE as error:
        raise ShardUnavailable("The read models cannot be reached right now.") from error


def _min_position(call: Call, shards: list[int], number_of_shards: int) -> dict[int, int]:
    text = call.headers.get(MIN_POSITION_HEADER)
    if text is None:
        return {}
    try:
        named = parse_positions(text)
    except MalformedPosition as error:
        raise bad_parameter("Guilder-Min-Position", "bad_format", str(error)) from None
    _require_shards("Guilder-Min-Position", named, number_of_shards)
    # A position of a shard that the answer does not cover is of no consequence to it.
    return {shard: position for shard, position in named.items() if shard in shards}


def _require_shards(parameter: str, named: Mapping[int, int], number_of_shards: int) -> None:
    if unknown := sorted(shard for shard in named if shard >= number_of_shards):
        raise bad_parameter(parameter, "out_of_range", f"names shards that are not there: {unknown}")


async def _resolve(connection: Any, text: str, shards: list[int], number_of_shards: int) -> dict[int, int]:
    """The position vector of a time, by what the log had recorded then, or the one that `text` spells."""
    try:
        named = parse_positions(text)
    except MalformedPosition:
        try:
            at_ms = parse_rfc3339(text)
        except ValueError:
            raise bad_parameter(
                "as_of",
                "bad_format",
                "must be a time in RFC 3339, such as 2026-10-05T09:30:00Z (a + is written %2B in a query), or shard:position",
            ) from None
        rows = await connection.fetch(_POSITIONS_AT, shards, at_ms)
        return {row["shard"]: row["position"] for row in rows}
    _require_shards("as_of", named, number_of_shards)
    missing = [shard for shard in shards if shard not in named]
    if missing:
        raise bad_parameter("as_of", "missing", f"leaves out shards that the answer covers: {missing}")
    return {shard: named[shard] for shard in shards}


async def _live(connection: Any, projection: str, shards: list[int]) -> tuple[int, dict[int, int]]:
    rows = await connection.fetch(_LIVE, projection, shards)
    assert rows, f"no generation of {projection} is live"
    positions = dict.fromkeys(shards, 0)
    positions.update({row["shard"]: row["position"] for row in rows if row["shard"] is not None})
    return rows[0]["generation"], positions
