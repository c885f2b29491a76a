"""The saga as it runs: store, relay, Kafka, Faust, steps, simulator, store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bootstrap.clock import SYSTEM_CLOCK
from event_store import StoreOptions
from processors.log_consumer import LogConsumerOptions
from processors.psp.simulator import SimulatorPsp
from processors.relay import Relay, RelayOptions
from processors.saga.payment_saga import PaymentSaga, SagaOptions
from processors.topics import TopicOptions
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.conftest import TEST_SHARDS
from tests.oracles.psp import faults_of_psp, simulator_log
from tests.processors.saga.harness import DELAY_SCALE, IDS, Shop, eventually, simulator_options, store_at

TOKENS = ("tok_ok", "tok_decline", "tok_reset_after", "tok_pending_ok", "tok_http500_after+capture=timeout_after")


@contextlib.asynccontextmanager
async def at_work(part: Relay | PaymentSaga) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(part.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


@pytest.fixture
def options(database: str, kafka_bootstrap: str, topic_prefix: str, fast_psp: SimulatorProcess) -> SagaOptions:
    return SagaOptions(
        store=StoreOptions(dsn=database),
        consumer=LogConsumerOptions(
            bootstrap_servers=kafka_bootstrap,
            topic=f"{topic_prefix}events",
            group=f"{topic_prefix}saga",
            shards=TEST_SHARDS,
        ),
        psp_deadline_s=simulator_options(fast_psp.url, deadline_s=0.4).deadline_s,
        holder="test",
        concurrency=16,
        delay_scale=DELAY_SCALE,
    )


async def test_payments_through_kafka_and_back(database: str, options: SagaOptions, fast_psp: SimulatorProcess) -> None:
    topic = TopicOptions(name=options.consumer.topic, partitions=TEST_SHARDS)
    relay = Relay(RelayOptions(dsn=database, bootstrap_servers=options.consumer.bootstrap_servers, topic=topic))
    providers = {"simulator": SimulatorPsp(simulator_options(fast_psp.url, deadline_s=0.4))}
    saga = PaymentSaga(options, providers, clock=SYSTEM_CLOCK, ids=IDS)
    assert not saga.health().ready
    async with store_at(database) as store, at_work(relay), at_work(saga):

        async def ready() -> bool:
            return saga.health().ready

        await eventually(ready, deadline_s=30)
        shops = [Shop(store, shard) for shard in range(TEST_SHARDS)]
        intents = [(shop, await shop.order(token)) for token in TOKENS for shop in shops]
        for shop, intent in intents:
            if (await shop.settled(intent)).status == "authorized":
                await shop.capture(intent)
        states = [await shop.settled(intent) for shop, intent in intents]
        health = saga.health()

    references = {attempt.our_reference for state in states for attempt in state.attempts.values()}
    lines = [line for line in await simulator_log(fast_psp.url) if line["reference"] in references]
    assert [state.status for state in states[::TEST_SHARDS]] == ["captured", "declined", *["captured"] * 3]
    assert faults_of_psp(lines, states) == []
    assert health.failures == 0
    assert health.consumer is not None
    assert sum(health.consumer.positions.values()) > len(intents) * 2


async def test_a_lease_outlasts_the_psps_deadline_by_ten_seconds(options: SagaOptions) -> None:
    assert options.workers().lease_s >= options.psp_deadline_s + 10
