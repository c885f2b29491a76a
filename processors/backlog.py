"""How things stand behind the log: how far its followers are behind it, what stands still, what waits for whom.

PostgreSQL alone is asked, so that the answer holds while a follower is away, which is when it is wanted. What asks
need not wait for Kafka's libraries to load, so none is imported here.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import asyncpg
import msgspec

Follower = Literal["relay", "projector", "payment_saga"]
StepState = Literal["waiting", "due", "under_way", "failed"]

FOLLOWERS: Final[tuple[Follower, ...]] = get_args(Follower)
STEP_STATES: Final[tuple[StepState, ...]] = get_args(StepState)
COUNTED_STEPS: Final = 10_000
"""Of the open steps only so many are counted, the soonest due: a week of expiries is not worth counting."""

UNREADABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a PostgreSQL that cannot be asked now answers with."""

_NOW: Final = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_BEHIND: Final = """
WITH followed AS (
    SELECT 'relay' AS follower, shard, position FROM relay_checkpoints
    UNION ALL
    SELECT projection, shard, position FROM checkpoints WHERE projection = 'payment_saga' AND generation = 1
    UNION ALL
    SELECT 'projector', c.shard, min(c.position)
    FROM live l JOIN checkpoints c USING (projection, generation) GROUP BY c.shard
)
SELECT follower, h.shard, h.position AS head, coalesce(f.position, 0) AS position,
    CASE WHEN h.position > coalesce(f.position, 0) THEN (
        SELECT e.recorded_at FROM events e WHERE e.shard = h.shard AND e.position = coalesce(f.position, 0) + 1
    ) END AS waiting_since
FROM heads h CROSS JOIN unnest($1::text[]) AS wanted (follower) LEFT JOIN followed f USING (follower, shard)
ORDER BY follower, h.shard
"""
_STEPS: Final = """
SELECT kind, state, count(*) AS steps, min(ready_at) AS ready_at FROM (
    SELECT kind, ready_at, CASE
        WHEN leased_by IS NOT NULL AND ready_at > $1 THEN 'under_way'
        WHEN error IS NOT NULL THEN 'failed'
        WHEN ready_at <= $1 THEN 'due'
        ELSE 'waiting'
    END AS state
    FROM steps WHERE finished_at IS NULL ORDER BY ready_at LIMIT $2
) AS open
GROUP BY kind, state ORDER BY kind, state
"""
_HALTED: Final = """
SELECT projection, shard, position, reason, since FROM halted_shards
WHERE projection = ANY ($1) ORDER BY projection, shard
"""
_CASES: Final = "SELECT opened_at FROM saga_cases WHERE closed_at IS NULL ORDER BY opened_at LIMIT 10000"


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """A follower of the log in one shard: it has got to `position`, the log to `head`.

    `waiting_since` is when the first event that it has not got was recorded (Unix ms); null when it has them all.
    """

    follower: Follower
    shard: int
    head: int
    position: int
    waiting_since: int | None

    @property
    def events(self) -> int:
        return max(0, self.head - self.position)

    def seconds(self, now_ms: int) -> float:
        """How long the first event that it has not got has been waiting."""
        return 0.0 if self.waiting_since is None else max(0, now_ms - self.waiting_since) / 1000


class Halted(msgspec.Struct, frozen=True, kw_only=True):
    """A shard that a follower stopped at `position`, at `since` (Unix ms), for `reason`."""

    projection: str
    shard: int
    position: int
    reason: str
    since: int


class OpenSteps(msgspec.Struct, frozen=True, kw_only=True):
    """How many steps of a kind are in a state; `ready_at` (Unix ms) is when the first of them may be claimed."""

    kind: str
    state: StepState
    steps: int
    ready_at: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment, `at` (Unix ms by PostgreSQL's clock); `cases` are the times at which open cases opened."""

    at: int
    behind: list[Behind]
    halted: list[Halted]
    steps: list[OpenSteps]
    cases: list[int]


async def behind_the_log(connection: Any, followers: Sequence[Follower]) -> tuple[int, list[Behind]]:
    """The time by PostgreSQL's clock, and where each of `followers` is in each shard."""
    rows = await connection.fetch(_BEHIND, list(followers))
    return await connection.fetchval(_NOW), [Behind(**dict(row)) for row in rows]


async def backlog(connection: Any, followers: Sequence[Follower] = FOLLOWERS) -> Backlog:
    """How things stand now. A few statements on their own, each cheap however long the log is."""
    at, behind = await behind_the_log(connection, followers)
    halted = await connection.fetch(_HALTED, list(followers))
    steps = await connection.fetch(_STEPS, at, COUNTED_STEPS)
    cases = await connection.fetch(_CASES)
    return Backlog(
        at=at,
        behind=behind,
        halted=[Halted(**dict(row)) for row in halted],
        steps=[OpenSteps(**dict(row)) for row in steps],
        cases=[row[0] for row in cases],
    )
