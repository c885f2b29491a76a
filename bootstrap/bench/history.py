"""How cost grows with what has happened: the same work, asked of a log of ever more events.

Everything runs in this process, on the parts that the API and the projector are made of: HTTP in between would add
the same to every figure and so hide what grows.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from aggregates import payment_intent
from bootstrap.bench import BenchError, conditions
from bootstrap.bench.conditions import Conditions
from bootstrap.bench.ground import Merchant, install, prepared_ground
from bootstrap.bench.history_report import HistoryReport, Point, made
from bootstrap.bench.ledger import project, rebuilding_rate
from bootstrap.bench.lifecycles import EVENTS_EACH, creation, envelope_of, pay
from bootstrap.clock import SYSTEM_CLOCK, random_bytes
from bootstrap.identity import SYSTEM_IDS
from event_store import EventStore, StoreOptions
from projections.query_api import QueryServices
from projections.query_api.balances import balances
from projections.query_api.payment_intents import list_payment_intents
from schemas.envelope import Actor
from schemas.identifiers import shard_of
from schemas.routes import Call, Principal

SIZES: Final = (10_000, 100_000, 1_000_000)
CALLERS: Final = 16
_DATABASE: Final = "history"
_CACHED_BYTES: Final = 4096 * CALLERS
"""So few that all are read from PostgreSQL: a short log would stand in the cache as a whole, and a long one not."""
_STRIDE: Final = 7_919
"""A prime: stepping by it through all intents meets them spread over the whole log, each once."""

Progress = Callable[[str], None]
Work = Callable[[], Awaitable[object]]


class HistoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """At each of `sizes`, ascending numbers of events, each kind of work is measured for `seconds`.

    Reading is measured `rounds` times; what leaves something behind, or takes as long as the log is, once.
    """

    sizes: tuple[int, ...] = SIZES
    seconds: float = 3.0
    rounds: int = 3


def run_history(folder: Path, plan: HistoryPlan, progress: Progress = lambda _what: None) -> HistoryReport:
    """Fill a log step by step and measure at each, on a PostgreSQL of its own in a new folder below `folder`.

    Raises:
        BenchError: two sizes are too close.
        LocalStackError: PostgreSQL could not be started.
    """
    load_1m = os.getloadavg()[0]
    progress("starting PostgreSQL")
    with prepared_ground(folder) as ground:
        lifecycles = plan.sizes[-1] // EVENTS_EACH
        seen = conditions.observe(
            ground, load_1m=load_1m, rounds=plan.rounds, seconds=plan.seconds, lifecycles=lifecycles
        )
        merchants = install(ground, _DATABASE)
        points = asyncio.run(measured(ground.dsn(_DATABASE), merchants, plan, progress))
    return made(_without_generator(seen), points)


def _without_generator(seen: Conditions) -> Conditions:
    return msgspec.structs.replace(seen, connections=CALLERS, generator="callers within one process, no HTTP")


async def measured(
    dsn: str, merchants: Sequence[Merchant], plan: HistoryPlan, progress: Progress = lambda _what: None
) -> list[Point]:
    """Fill the log of an installed database, to which only this comes, and measure at each of the plan's sizes.

    Raises:
        BenchError: two of them are too close.
    """
    store = await EventStore.open(StoreOptions(dsn=dsn, cached_bytes=_CACHED_BYTES))
    # For the same reason no balance is kept that need not be read again.
    services = await QueryServices.open(dsn, shards=store.shards, kept_answers=0)
    points, paid = [], list[UUID]()
    try:
        for size in plan.sizes:
            progress(f"{size:,} events: filling the log")
            missing = size - sum((await store.heads()).values())
            if missing < EVENTS_EACH:
                raise BenchError(f"measuring alone has brought the log past {size:,} events; it has to grow by more")
            paid += await pay(store, [merchant.id for merchant in merchants], missing // EVENTS_EACH)
            progress(f"{size:,} events: filling the read models")
            began = time.perf_counter()
            projected = await project(dsn, store)
            projecting_s = time.perf_counter() - began
            await _settle(dsn)
            works = _Works(store, services, merchants, paid)
            length = sum((await store.heads()).values())
            read_rates = await _reading(works, plan, progress)
            progress(f"{size:,} events: measuring rebuild")
            rebuild = await rebuilding_rate(dsn)
            # Last, since the creates that it leaves behind are cheap to rebuild and would flatter a short log.
            progress(f"{size:,} events: measuring append")
            append = await rate_of(works.append, plan.seconds)
            await project(dsn, store)
            points.append(
                Point(events=length, **read_rates, append=append, rebuild=rebuild, project=projected / projecting_s)
            )
    finally:
        await services.close()
        await store.close()
    return points


async def _reading(works: "_Works", plan: HistoryPlan, progress: Progress) -> dict[str, float]:
    """The rate of each kind of reading, in turn and several times: the median."""
    rates: dict[str, list[float]] = {name: [] for name in works.reads()}
    for _ in range(plan.rounds):
        for name, read in works.reads().items():
            progress(f"measuring {name}")
            rates[name].append(await rate_of(read, plan.seconds))
    return {name: median(measured) for name, measured in rates.items()}


async def _settle(dsn: str) -> None:
    """Have the planner know the tables and nothing left to be written, so that each size is measured alike."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


class _Works:
    """One call of each kind of work; who and what is concerned changes from call to call."""

    def __init__(
        self, store: EventStore, services: QueryServices, merchants: Sequence[Merchant], paid: Sequence[UUID]
    ) -> None:
        self._store = store
        self._services = services
        self._merchants = cycle([merchant.id for merchant in merchants])
        self._paid = paid
        self._at = 0

    def reads(self) -> dict[str, Work]:
        """Work that leaves the log as it is."""
        return {"load": self._load, "balance": self._balance, "list": self._list}

    async def _load(self) -> None:
        self._at = (self._at + _STRIDE) % len(self._paid)
        stream = await self._store.load(self._paid[self._at])
        assert stream.version == EVENTS_EACH

    async def _balance(self) -> None:
        await balances(self._services, _call("/v1/balances", next(self._merchants)))

    async def _list(self) -> None:
        await list_payment_intents(self._services, _call("/v1/payment_intents", next(self._merchants)))

    async def append(self) -> None:
        """Create a payment."""
        merchant_id = next(self._merchants)
        shard = shard_of(merchant_id)
        await self._store.execute(
            payment_intent,
            SYSTEM_IDS.new_id(shard),
            creation(),
            envelope=envelope_of(merchant_id, SYSTEM_IDS.new_id(shard), SYSTEM_CLOCK.now_ms()),
            event_ids=SYSTEM_IDS,
            command_key=UUID(bytes=random_bytes(16)),
            request_hash=random_bytes(32),
            expected_version=0,
        )


def _call(path: str, merchant_id: UUID) -> Call:
    actor = Actor(type="api_key", id="bench")
    scopes = frozenset({"payments:read", "ledger:read"})
    return Call(
        method="GET",
        path=path,
        path_params={},
        query=(),
        headers={},
        body=b"",
        principal=Principal(merchant_id=merchant_id, livemode=False, scopes=scopes, actor=actor),
        request_id="bench",
    )


async def rate_of(work: Work, seconds: float) -> float:
    """How often a second `work` is done by callers that each ask again once they are answered; a tenth warms up.

    However short the time, something is done.
    """
    done = 0
    began = time.perf_counter() + seconds / 10
    until = began + seconds

    async def caller() -> None:
        nonlocal done
        while (now := time.perf_counter()) < until or not done:
            await work()
            done += now >= began

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return done / (time.perf_counter() - began)
