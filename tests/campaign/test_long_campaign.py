"""Minutes of accidents at random, and a broker that is away for long; left out of the suite.

`GUILDER_CAMPAIGN_SEED` repeats a plan, `GUILDER_CAMPAIGN_MINUTES` (5) says how long accidents happen.
"""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from bootstrap.clock import random_bytes
from tests.campaign.chaos import Chaos
from tests.campaign.installation import Installation
from tests.campaign.judgement import faults_of_installation
from tests.campaign.spares import spares
from tests.campaign.traffic import Customer, Traffic

SEED = int(os.environ.get("GUILDER_CAMPAIGN_SEED") or int.from_bytes(random_bytes(4)))
MINUTES = float(os.environ.get("GUILDER_CAMPAIGN_MINUTES") or 5)
ROUND_S = 60.0
ROUNDS = max(1, round(MINUTES * 60 / ROUND_S))
"""Each round has a seed of its own, SEED + its number, and what follows has others: keys are made of them."""
DRAINED_WITHIN_S = 180.0
BROKER_AWAY_S = 120.0
RATE_BEFORE_S = 30.0

pytestmark = pytest.mark.campaign


async def rebuilt_meanwhile(installation: Installation) -> None:
    """Rebuild the ledger in the middle of it all: it may well be cut short, and must do no harm then."""
    await asyncio.sleep(ROUND_S / 2)
    try:
        await asyncio.to_thread(installation.guilder, "ledger", "rebuild")
    except (AssertionError, subprocess.TimeoutExpired) as cut_short:
        sys.stdout.write(f"the rebuild was cut short: {str(cut_short)[-200:]}\n")


async def test_every_promise_holds_after_accidents_at_random(
    installation: Installation, customers: list[Customer]
) -> None:
    sys.stdout.write(f"\nGUILDER_CAMPAIGN_SEED={SEED} GUILDER_CAMPAIGN_MINUTES={MINUTES:g}\n")
    async with spares(installation):
        for number in range(ROUNDS):
            chaos = Chaos(installation, SEED + number)
            async with Traffic(installation.api, customers, SEED + number, wait_s=1) as traffic:
                async with traffic.running(8):
                    await asyncio.gather(chaos.run(ROUND_S), rebuilt_meanwhile(installation))
                await traffic.ask_again()
                await installation.drained(within_s=DRAINED_WITHIN_S)
                faults = await faults_of_installation(installation, traffic)
            story = ", ".join(chaos.happened)
            sys.stdout.write(f"round {number}: {len(traffic.sent)} requests; {story}\n")
            assert faults == [], f"seed {SEED}, round {number}: {story}"


async def test_every_promise_holds_after_all_is_killed_at_once(
    installation: Installation, customers: list[Customer]
) -> None:
    async with Traffic(installation.api, customers, SEED + ROUNDS, wait_s=1) as traffic:
        async with traffic.running(8):
            await asyncio.sleep(ROUND_S / 6)
            installation.kill_all()
            await asyncio.sleep(1)
            await asyncio.to_thread(installation.guilder, "up", "--detach")
            await asyncio.sleep(ROUND_S / 6)
        await traffic.ask_again()
        await installation.drained(within_s=DRAINED_WITHIN_S)
        assert await faults_of_installation(installation, traffic) == []


async def test_a_broker_that_is_away_for_two_minutes_does_not_slow_commands(
    installation: Installation, customers: list[Customer]
) -> None:
    async with Traffic(installation.api, customers, SEED + ROUNDS + 1, wait_s=0) as traffic:
        async with traffic.running(1, browsers=4, pause_s=0.01):
            await asyncio.sleep(RATE_BEFORE_S)
            before = len([sent for sent in traffic.sent if sent.acknowledged]) / RATE_BEFORE_S
            known = len(traffic.sent)
            installation.signal("kafka", signal.SIGSTOP)
            try:
                await asyncio.sleep(BROKER_AWAY_S)
            finally:
                installation.signal("kafka", signal.SIGCONT)
            meanwhile = len([sent for sent in traffic.sent[known:] if sent.acknowledged]) / BROKER_AWAY_S

        sys.stdout.write(f"\n{before:.0f} commands/s with the broker, {meanwhile:.0f} without\n")
        assert [sent for sent in traffic.sent if sent.unanswered] == []
        assert meanwhile >= 0.8 * before
        await installation.drained(within_s=DRAINED_WITHIN_S)
        assert await faults_of_installation(installation, traffic) == []
