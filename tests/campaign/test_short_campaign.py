"""kill -9 of every process in turn under load, and a broker that is away: every promise holds afterwards."""

import asyncio
import signal
import sys

import pytest

from tests.campaign.installation import PROCESSES, Installation
from tests.campaign.judgement import faults_of_installation, faults_of_traffic
from tests.campaign.traffic import Customer, Sent, Traffic

SEED = 20261122
SHOPPERS = 8
CALM_S = 2.0
BROKER_AWAY_S = 15.0
RATE_BEFORE_S = 5.0
THINK_S = 1.0

pytestmark = pytest.mark.slow


async def test_commands_succeed_while_the_broker_is_away(installation: Installation, customers: list[Customer]) -> None:
    async with Traffic(installation.api, customers, SEED + 1, wait_s=0) as traffic:
        # Customers who think much longer than an answer takes: what they send a second hangs on them alone, and a
        # machine that is busy for a while changes little of it.
        async with traffic.running(2, browsers=10, pause_s=THINK_S):
            await asyncio.sleep(RATE_BEFORE_S)
            known = len(traffic.sent)
            before = acknowledged(traffic.sent) / RATE_BEFORE_S
            behind_before = await behind(installation)
            installation.signal("kafka", signal.SIGSTOP)
            try:
                await asyncio.sleep(BROKER_AWAY_S)
                behind_meanwhile = await behind(installation)
            finally:
                installation.signal("kafka", signal.SIGCONT)
            meanwhile = acknowledged(traffic.sent[known:]) / BROKER_AWAY_S

        assert [sent for sent in traffic.sent if sent.unanswered] == []
        assert meanwhile >= 0.8 * before, f"{meanwhile:.1f} commands/s without the broker, {before:.1f} with it"
        assert behind_meanwhile > behind_before, "the broker was not away"
        await installation.drained()
        # All else is judged when the other accidents have happened too.
        assert await faults_of_traffic(installation, traffic) == []


def acknowledged(sent: list[Sent]) -> int:
    return len([each for each in sent if each.acknowledged])


async def behind(installation: Installation) -> int:
    """How many events Kafka has not acknowledged."""
    return sum(shard["head"] - shard["relayed"] for shard in (await installation.progress()).shards)


async def test_every_promise_holds_whatever_is_killed(installation: Installation, customers: list[Customer]) -> None:
    sys.stdout.write(f"\nseed {SEED}\n")
    async with Traffic(installation.api, customers, SEED, wait_s=1) as traffic:
        async with traffic.running(SHOPPERS):
            await asyncio.sleep(CALM_S)
            for name in PROCESSES:
                await installation.kill(name)
                await installation.healthy()
                await asyncio.sleep(CALM_S / 2)
        await traffic.ask_again()
        await installation.drained()

        assert await faults_of_installation(installation, traffic) == []
        assert {sent.path.rsplit("/", 1)[1] for sent in traffic.sent if sent.acknowledged} == {
            "payment_intents",
            "capture",
            "cancel",
            "refund",
        }, "the load was none that could show anything"
        assert any(sent.asked > 1 for sent in traffic.sent), "no request was ever cut short"


async def test_what_postgresql_had_not_flushed_is_projected_again(
    installation: Installation, customers: list[Customer]
) -> None:
    """Read models are committed without waiting for the disk, so a crash takes the last of them back; if nothing else
    happens in that shard, only the projector itself can notice."""
    await installation.drained()
    async with Traffic(installation.api, customers, SEED + 2, wait_s=0) as traffic:
        created = await traffic.create(customers[0], "forgotten")
        assert created.acknowledged
        async with asyncio.timeout(60):
            while not all(shard["projected"] == shard["head"] for shard in (await installation.progress()).shards):
                pass
        installation.signal("postgres", signal.SIGKILL)
        await asyncio.sleep(CALM_S)
        await installation.healthy()
        await installation.drained()
