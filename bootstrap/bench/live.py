"""The ledger posted live: one real projector process takes the log from the topic into empty read models.

From its first commit to its last, so that neither its start nor what it may have joined late counts; the events of the
first commit that was seen do not count either.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from bootstrap.bench import BenchError
from bootstrap.bench.pipeline import PATIENCE_S, Pipeline
from bootstrap.bench.progress import Look, ProgressWatch
from bootstrap.bench.row import Measured
from bootstrap.local_stack.roster import PROJECTOR
from processors import rebuild
from processors.rebuild import generations
from projections import PROJECTIONS

_LOOK_EVERY_S: Final = 0.02


async def empty_read_models(dsn: str) -> None:
    """Make an empty generation of every read model live, and drop the others. No projector may be running."""
    pool = await rebuild.open_pool(dsn)
    try:
        async with pool.acquire() as connection:
            shards = list(range(await rebuild.shards_of(connection)))
            for projection in PROJECTIONS:
                generation = await generations.create(connection, projection.name, shards)
                await generations.make_live(connection, projection.name, generation)
                await generations.drop_all_but(connection, projection.name, generation)
    finally:
        await pool.close()


def posting_rate(looks: Sequence[Look]) -> float:
    """Log events a second from the first look that saw progress to the first that saw the end.

    Raises:
        BenchError: there was too little to take the time of.
    """
    moving = [look for look in looks if look.position > 0]
    end = next((look for look in moving if look.lag == 0), None)
    if end is None or moving[0].position == end.position:
        raise BenchError("the projector had too few events to take its time; more --lifecycles are needed")
    return (end.position - moving[0].position) / (end.at_s - moving[0].at_s)


class LiveRow:
    """All read models are fed, as they always are: the ledger's rows and the payments view in one transaction a batch."""

    def __init__(self, name: str, pipeline: Pipeline) -> None:
        self.name = name
        self._pipeline = pipeline

    def measure(self, number: int) -> Measured:  # noqa: ARG002 - every round reads the whole topic again
        asyncio.run(empty_read_models(self._pipeline.dsn))
        with ExitStack() as until, ProgressWatch(self._pipeline.dsn, every_s=_LOOK_EVERY_S) as watch:
            self._pipeline.start(PROJECTOR, until)
            if not watch.wait_until_level(PATIENCE_S):
                raise BenchError(f"the projector has not caught up within {PATIENCE_S:.0f} s")
        return Measured(per_second=posting_rate(watch.looks))
