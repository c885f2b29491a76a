"""The whole flow, all of it real: intent, authorized, captured, posted, with two calls of the PSP for each payment."""

import asyncio
from pathlib import Path
from typing import Any, Final

import asyncpg

from bootstrap.bench import BenchError
from bootstrap.bench.flow_round import FlowRound, lag_between, nearest
from bootstrap.bench.load import OURS
from bootstrap.bench.losses import Accounts
from bootstrap.bench.payments_load import PaymentsLoad, PaymentsResult, run_payments
from bootstrap.bench.pipeline import PATIENCE_S, Pipeline
from bootstrap.bench.progress import Look, ProgressWatch
from bootstrap.bench.row import Measured
from bootstrap.local_stack.roster import API, PROJECTOR, PSP_SIMULATOR, RELAY, SAGA

AMOUNT: Final = 19_99
_LOOK_EVERY_S: Final = 0.1
_COUNTED: Final = """
    SELECT count(*)
    FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS span (shard, after, until)
    JOIN {schema}.transactions t ON t.shard = span.shard AND t.position > span.after AND t.position <= span.until
"""


class FlowRow:
    """API, relay, saga, projector, simulator and Kafka run for the row; each payer has one payment under way.

    `per_second` are payments that were answered as captured.
    """

    def __init__(
        self, name: str, pipeline: Pipeline, bearers: tuple[str, ...], *, seconds: float, warm_up_s: float
    ) -> None:
        self.name = name
        self._pipeline = pipeline
        self._bearers = bearers
        self._seconds = seconds
        self._warm_up_s = warm_up_s
        self._accounts = Accounts(pipeline.dsn, pipeline.psp_url)

    def measure(self, number: int) -> Measured:
        """One round.

        Raises:
            BenchError: a payment failed, or the ledger did not come up with the log.
        """
        with (
            self._pipeline.running(PSP_SIMULATOR, RELAY, SAGA, PROJECTOR, API),
            ProgressWatch(self._pipeline.dsn, every_s=_LOOK_EVERY_S) as watch,
        ):
            self._level(watch)
            self._accounts.mark()
            result = run_payments(
                PaymentsLoad(
                    port=self._pipeline.api_port,
                    seconds=self._seconds,
                    warm_up_s=self._warm_up_s,
                    run=f"flow-{number}",
                    bearers=self._bearers,
                    amount=AMOUNT,
                ),
                self._folder(),
            )
            self._level(watch)
            losses = self._accounts.compare(result.captured)
        lag = lag_between(watch.looks, result.began_s, result.ended_s)
        drained = next(look for look in watch.looks if look.at_s >= result.last_s and look.lag == 0)
        return Measured(
            per_second=result.per_second,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            generator=OURS,
            generator_cpu=result.generator_cpu,
            flow=FlowRound(
                ledger_per_second=asyncio.run(self._posted(watch.looks, result)),
                lag_p50_events=lag.p50_events,
                lag_max_events=lag.max_events,
                lag_p50_ms=lag.p50_ms,
                lag_max_ms=lag.max_ms,
                drain_ms=(drained.at_s - result.last_s) * 1000,
                losses=losses,
            ),
        )

    def _level(self, watch: ProgressWatch) -> None:
        if not watch.wait_until_level(PATIENCE_S):
            raise BenchError(f"the ledger has not caught up with the log within {PATIENCE_S:.0f} s")

    def _folder(self) -> Path:
        return self._pipeline.ground.home / "loads" / "flow"

    async def _posted(self, looks: list[Look], result: PaymentsResult) -> float:
        """Ledger transactions a second between the looks nearest to the beginning and the end of what counted."""
        first, last = nearest(looks, result.began_s), nearest(looks, result.ended_s)
        shards = sorted(first.reached)
        connection: Any = await asyncpg.connect(self._pipeline.dsn)
        try:
            generation = await connection.fetchval("SELECT generation FROM live WHERE projection = 'ledger'")
            posted: int = await connection.fetchval(
                _COUNTED.format(schema=f"ledger_{generation}"),
                shards,
                [first.reached[shard] for shard in shards],
                [last.reached[shard] for shard in shards],
            )
        finally:
            await connection.close()
        return posted / (last.at_s - first.at_s)
