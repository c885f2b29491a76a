"""kill -9 of the saga between any two of its sub-steps: whoever comes next finds out, with the same key, and charges once."""

import asyncio
import signal
import sys

import pytest

from schemas.events import PspAttemptStarted
from tests.bootstrap.psp_simulator.server import ROOT, SimulatorProcess
from tests.oracles.psp import faults_of_psp, faults_of_waiting, simulator_log
from tests.processors.saga.crashing_saga import POINTS
from tests.processors.saga.harness import Shop, running_saga, store_at

TOKENS = ("tok_ok", "tok_timeout_after", "tok_http500_after")


async def run_until_dead(dsn: str, psp_url: str, point: str) -> None:
    arguments = ("--dsn", dsn, "--psp", psp_url, "--die-at", point)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.processors.saga.crashing_saga", *arguments, cwd=ROOT
    )
    try:
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


# Twice: the one that takes over dies as well, with a PSP's answer in its hands.
@pytest.mark.parametrize("points", [*((point,) for point in POINTS), ("started", "called")], ids="+".join)
async def test_a_killed_saga_charges_once(
    saga_database: str, fast_psp: SimulatorProcess, points: tuple[str, ...]
) -> None:
    async with store_at(saga_database) as store:
        shop = Shop(store)
        intents = [await shop.order(token) for token in TOKENS]
        for point in points:
            await run_until_dead(saga_database, fast_psp.url, point)

    async with running_saga(saga_database, fast_psp.url) as saga:
        states = [await saga.shop.settled(intent) for intent in intents]

        references = {attempt.our_reference for state in states for attempt in state.attempts.values()}
        log = [line for line in await simulator_log(fast_psp.url) if line["reference"] in references]
        assert [state.status for state in states] == ["authorized"] * len(TOKENS)
        assert faults_of_psp(log, states) == []
        assert len(log) == len(TOKENS)
        assert await faults_of_waiting(saga_database, states) == []
        for intent in intents:
            started = [event for event in await saga.shop.events(intent) if isinstance(event, PspAttemptStarted)]
            assert len(started) == 1
