"""A saga on a real store and a real simulator, a merchant who commands, and a feeder that stands for relay and Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from aggregates import payment_intent
from aggregates.payment_intent import PaymentIntent
from aggregates.payment_intent.commands import (
    Command,
    CreatePaymentIntent,
    RequestAuthorization,
    RequestCancellation,
    RequestCapture,
    RequestRefund,
)
from bootstrap.clock import SYSTEM_CLOCK, random_bytes
from event_store import EventStore, StoreOptions
from processors.patience import OUTAGES
from processors.psp.provider import PaymentServiceProvider
from processors.psp.simulator import SimulatorOptions, SimulatorPsp
from processors.saga.connections import open_pool
from processors.saga.payment_saga import Machinery, assemble
from processors.saga.workers import WorkerOptions
from schemas.clock import Clock
from schemas.envelope import Actor, Envelope
from schemas.errors import ShardUnavailable
from schemas.events import Event
from schemas.events.fees import IntentFeePlan
from schemas.events.payment_intent import PaymentMethod
from schemas.identifiers import uuid7
from tests.bootstrap.psp_simulator.server import KEY, SimulatorProcess
from tests.oracles.psp import faults_of_psp, simulator_log

Found = TypeVar("Found")

SHARD = 1
DELAY_SCALE = 0.02
CLOCK_SCALE = 1 / DELAY_SCALE
PLAN = IntentFeePlan(version=1, rate_ppm=29_000, fixed=30, refund_fee=0, returned_on_refund=False, rounding="half_up")


class FreshIds:
    def new_id(self, shard: int) -> UUID:
        return uuid7(shard, SYSTEM_CLOCK.now_ms(), random_bytes(8))


IDS = FreshIds()


def card(token: str) -> PaymentMethod:
    return PaymentMethod(type="card", token_ref=token, brand="visa", last4="4242", payer_ref=None, mask=None)


class Shop:
    """A merchant: each call is a command appended to the store, as the API would."""

    def __init__(self, store: EventStore, shard: int = SHARD) -> None:
        self.store = store
        self.shard = shard
        self.merchant_id = IDS.new_id(shard)

    async def command(self, intent: UUID, command: Command, operation_id: UUID, *, new: bool = False) -> PaymentIntent:
        executed = await self.store.execute(
            payment_intent,
            intent,
            command,
            envelope=Envelope(
                effective_at=SYSTEM_CLOCK.now_ms(),
                merchant_id=self.merchant_id,
                livemode=False,
                currency="EUR",
                actor=Actor(type="api_key", id="key_test"),
                source="http",
                correlation_id=operation_id,
                causation_id=None,
                traceparent=None,
            ),
            event_ids=IDS,
            expected_version=0 if new else None,
        )
        return executed.state

    async def order(
        self,
        token: str = "tok_ok",
        amount: int = 10_000,
        *,
        method: Literal["automatic", "manual"] = "manual",
        delay_s: int = 0,
    ) -> UUID:
        """An intent whose authorization is asked for."""
        intent, operation = IDS.new_id(self.shard), IDS.new_id(self.shard)
        authorize = RequestAuthorization(
            operation_id=operation, capture_id=IDS.new_id(self.shard), payment_method=card(token)
        )
        command = CreatePaymentIntent(
            amount=amount,
            currency="EUR",
            capture_method=method,
            reference=None,
            statement_descriptor=None,
            metadata={},
            return_url=None,
            fee_plan=PLAN,
            settlement_delay_s=delay_s,
            authorize=authorize,
        )
        await self.command(intent, command, operation, new=True)
        return intent

    async def capture(self, intent: UUID, amount: int | None = None) -> None:
        operation = IDS.new_id(self.shard)
        command = RequestCapture(operation_id=operation, capture_id=IDS.new_id(self.shard), amount=amount, final=None)
        await self.command(intent, command, operation)

    async def refund(self, intent: UUID, amount: int | None = None) -> None:
        operation = IDS.new_id(self.shard)
        command = RequestRefund(operation_id=operation, refund_id=IDS.new_id(self.shard), amount=amount, reason=None)
        await self.command(intent, command, operation)

    async def cancel(self, intent: UUID) -> None:
        operation = IDS.new_id(self.shard)
        await self.command(intent, RequestCancellation(operation_id=operation, reason="test"), operation)

    async def state(self, intent: UUID) -> PaymentIntent:
        state = payment_intent.initial()
        for recorded in (await self.store.load(intent)).records:
            state = payment_intent.evolve(state, recorded)
        return state

    async def events(self, intent: UUID) -> list[Event]:
        return [recorded.event for recorded in (await self.store.load(intent)).records]

    async def until(
        self, intent: UUID, condition: Callable[[PaymentIntent], bool], *, deadline_s: float = 60
    ) -> PaymentIntent:
        """The state once `condition` holds; fails loudly with what happened instead."""

        def holds(_: object) -> bool:
            return True

        state = await self.state(intent)
        try:
            async with asyncio.timeout(deadline_s):
                while not condition(state):
                    await self.store.wait_for(intent, after_version=state.version, until=holds, deadline_s=0.5)
                    state = await self.state(intent)
        except TimeoutError:
            raise AssertionError(f"never came: {[type(e).__name__ for e in await self.events(intent)]}") from None
        return state

    async def settled(self, intent: UUID, *, deadline_s: float = 60) -> PaymentIntent:
        """The state once no operation is open."""
        return await self.until(intent, is_settled, deadline_s=deadline_s)


def is_settled(state: PaymentIntent) -> bool:
    return all(operation.ended_version is not None for operation in state.operations.values())


async def eventually(look: Callable[[], Awaitable[Found | None]], *, deadline_s: float = 60) -> Found:
    """What `look` finds, as soon as that is true of it."""
    deadline = asyncio.get_running_loop().time() + deadline_s
    while True:
        if found := await look():
            return found
        assert asyncio.get_running_loop().time() < deadline, "it never came"
        await asyncio.sleep(0.05)


async def faults(psp: SimulatorProcess, *states: PaymentIntent) -> list[str]:
    """What the simulator's own log holds against these intents; it may have done other things besides."""
    references = {attempt.our_reference for state in states for attempt in state.attempts.values()}
    lines = [line for line in await simulator_log(psp.url) if line["reference"] in references]
    return faults_of_psp(lines, states)


class Feeder:
    """Reads the store's shards in order and hands them to a scheduler, as relay, Kafka and Faust would."""

    def __init__(self, store: EventStore, machinery: Machinery) -> None:
        self._store = store
        self._scheduler = machinery.scheduler

    async def run(self, stop: asyncio.Event) -> None:
        positions = await self._scheduler.positions(range(self._store.shards))
        while not stop.is_set():
            with contextlib.suppress(*OUTAGES, ShardUnavailable):
                await self._feed(positions)
            await asyncio.sleep(0.01)

    async def _feed(self, positions: dict[int, int]) -> None:
        heads = await self._store.heads()
        for shard, position in positions.items():
            if heads[shard] > position:
                records = await self._store.read(shard, position, 500)
                positions[shard] = await self._scheduler.handle(shard, records)


class RunningSaga(msgspec.Struct, frozen=True):
    store: EventStore
    pool: Any
    shop: Shop
    machinery: Machinery

    async def steps(self, where: str = "true", *arguments: Any) -> list[Any]:
        rows: list[Any] = await self.pool.fetch(f"SELECT * FROM steps WHERE {where} ORDER BY subject, try", *arguments)
        return rows


def simulator_options(url: str, *, deadline_s: float = 5.0) -> SimulatorOptions:
    """An adapter that is patient unless told otherwise: what a test does not ask to be slow is not taken for lost."""
    return SimulatorOptions(url=url, key=KEY, deadline_s=deadline_s, connect_s=deadline_s)


def worker_options(holder: str = "test", **changes: Any) -> WorkerOptions:
    defaults = WorkerOptions(
        holder=holder, concurrency=16, lease_s=2.0, poll_s=0.1, delay_scale=DELAY_SCALE, grace_s=0.5
    )
    return msgspec.structs.replace(defaults, **changes)


@asynccontextmanager
async def store_at(dsn: str) -> AsyncIterator[EventStore]:
    store = await EventStore.open(StoreOptions(dsn=dsn))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def running_saga(
    dsn: str,
    psp_url: str,
    *,
    options: WorkerOptions | None = None,
    psp: PaymentServiceProvider | None = None,
    deadline_s: float = 0.4,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[RunningSaga]:
    """A saga at work; `psp` replaces the simulator's adapter, and is closed in the end like it."""
    store = await EventStore.open(StoreOptions(dsn=dsn))
    pool: asyncpg.Pool = await open_pool(dsn)
    psp = psp or SimulatorPsp(simulator_options(psp_url, deadline_s=deadline_s))
    machinery = assemble(
        pool=pool,
        store=store,
        providers={"simulator": psp},
        clock=clock,
        ids=IDS,
        options=options or worker_options(),
    )
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(machinery.workers.run(stop)),
        asyncio.create_task(Feeder(store, machinery).run(stop)),
    ]
    try:
        yield RunningSaga(store, pool, Shop(store), machinery)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await psp.close()
        await pool.close()
        await store.close()
