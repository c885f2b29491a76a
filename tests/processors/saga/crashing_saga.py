"""`python -m tests.processors.saga.crashing_saga`: a saga that kills itself, as kill -9 would, at a named point."""

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any

from bootstrap.clock import SYSTEM_CLOCK
from event_store import EventStore, StoreOptions
from processors.psp.provider import AuthorizeOrder, OrderReply
from processors.psp.simulator import SimulatorPsp
from processors.saga.connections import open_pool
from processors.saga.payment_saga import assemble
from processors.saga.steps import ClaimedStep, Finish, StepTable
from tests.processors.saga.harness import IDS, Feeder, simulator_options, worker_options

POINTS = (
    "claimed",
    "started",
    "called",
    "told",
    "finished",
)


class Fuse:
    """Blows when the process reaches its point."""

    def __init__(self, point: str) -> None:
        self._point = point

    def at(self, point: str) -> None:
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


class FusedPsp(SimulatorPsp):
    """Dies with a PSP's answer in its hands, before anybody was told."""

    fuse: Fuse

    async def authorize(self, order: AuthorizeOrder) -> OrderReply:
        reply = await super().authorize(order)
        self.fuse.at("called")
        return reply


def fuse_store(store: EventStore, fuse: Fuse) -> None:
    """Die right after an event of the saga's was stored."""
    execute = store.execute

    async def fused(decider: Any, stream_id: Any, command: Any, **rest: Any) -> Any:
        executed = await execute(decider, stream_id, command, **rest)
        fuse.at({"StartAttempt": "started"}.get(type(command).__name__, "told"))
        return executed

    store.execute = fused  # type: ignore[method-assign]


def fuse_steps(fuse: Fuse) -> None:
    """Die right after a step was claimed, or its end written."""
    claim, finish = StepTable.claim, StepTable.finish

    async def fused_claim(table: StepTable, **arguments: Any) -> list[ClaimedStep]:
        steps = await claim(table, **arguments)
        if steps:
            fuse.at("claimed")
        return steps

    async def fused_finish(table: StepTable, endings: Sequence[Finish], **arguments: Any) -> list[bool]:
        ours = await finish(table, endings, **arguments)
        fuse.at("finished")
        return ours

    StepTable.claim = fused_claim  # type: ignore[assignment,method-assign]
    StepTable.finish = fused_finish  # type: ignore[assignment,method-assign]


async def run(dsn: str, psp_url: str, point: str) -> None:
    fuse = Fuse(point)
    store = await EventStore.open(StoreOptions(dsn=dsn))
    pool = await open_pool(dsn)
    psp = FusedPsp(simulator_options(psp_url, deadline_s=0.4))
    psp.fuse = fuse
    fuse_store(store, fuse)
    fuse_steps(fuse)
    machinery = assemble(
        pool=pool,
        store=store,
        providers={"simulator": psp},
        clock=SYSTEM_CLOCK,
        ids=IDS,
        options=worker_options("crashing", lease_s=0.6),
    )
    never = asyncio.Event()
    await asyncio.gather(machinery.workers.run(never), Feeder(store, machinery).run(never))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--psp", required=True)
    parser.add_argument("--die-at", required=True, choices=POINTS)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.dsn, arguments.psp, arguments.die_at))


if __name__ == "__main__":
    main()
