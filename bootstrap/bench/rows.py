"""The rows that a bench can measure, by the short names they are chosen by, and what each of them stands on.

Servers and databases are made when a chosen row first needs them, and before any row is measured.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, TypedDict

from bootstrap.bench import BenchError, report
from bootstrap.bench.at_once import AtOnce
from bootstrap.bench.authorize import AuthorizeRow
from bootstrap.bench.balance import BalanceRow
from bootstrap.bench.create import BODY, CreateRow, PacedRow
from bootstrap.bench.created_intents import CreatedIntents
from bootstrap.bench.ground import SHARDS, Ground, Merchant, install
from bootstrap.bench.ledger import RebuildRow, fill
from bootstrap.bench.live import LiveRow
from bootstrap.bench.loaded_server import LoadedServer
from bootstrap.bench.pgbench import PgbenchRow
from bootstrap.bench.pipeline import Pipeline
from bootstrap.bench.plan import NAMES, Plan
from bootstrap.bench.row import Row
from bootstrap.bench.whole_flow import FlowRow
from bootstrap.local_stack import ports

LOG: Final = "guilder"
LEDGER: Final = "ledger"
FLOW: Final = "flow"
BARE: Final = "bare"
SINGLE: Final = "transaction_a_request"
NEEDED_BY: Final = {"paced": "create", "authorize": "create", "observed": "unobserved", "unobserved": "observed"}
"""What has to be measured in the same round before a row can be."""


class _Times(TypedDict):
    seconds: float
    warm_up_s: float


class Rows:
    """Makes rows over one ground."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self._ground = ground
        self._plan = plan
        self._times: _Times = {"seconds": plan.seconds, "warm_up_s": plan.warm_up_s}
        self._make: dict[str, Callable[[], Row]] = {
            "echo": lambda: CreateRow(report.ECHO, self._echo, **self._times),
            "bare": lambda: CreateRow(report.BARE, self._bare, **self._times),
            "create": lambda: self._create,
            "paced": lambda: PacedRow(report.PACED, self._api, self._create, **self._times),
            "authorize": lambda: AuthorizeRow(self._api, self._created, **self._times),
            "balance": lambda: BalanceRow(self._api, **self._times),
            "single": lambda: CreateRow(report.SINGLE, self._single, **self._times),
            "pgbench": lambda: PgbenchRow(ground, seconds=plan.seconds, row_bytes=len(BODY)),
            "rebuild": lambda: RebuildRow(report.REBUILD, ground.dsn(LEDGER)),
            "live": lambda: LiveRow(report.LIVE, self._pipeline),
            "flow": lambda: FlowRow(report.FLOW, self._pipeline, self._bearers, **self._times),
            "observed": lambda: self._with_and_without.part(report.OBSERVED),
            "unobserved": lambda: self._with_and_without.part(report.UNOBSERVED),
        }

    def chosen(self) -> list[Row]:
        """The rows of the plan, in the order in which they take turns, with everything they need running."""
        self._databases()
        return [self._make[name]() for name in with_needed(self._plan.rows)]

    def _databases(self) -> None:
        """One log of paid lifecycles with its read models, and a copy for each that changes it or leaves it alone."""
        asyncio.run(fill(self._ground.dsn(LOG), [merchant.id for merchant in self._merchants], self._plan.lifecycles))
        for copy, rows in ((LEDGER, {"rebuild"}), (FLOW, {"live", "flow"})):
            if rows & set(self._plan.rows):
                self._ground.copy_database(LOG, copy)

    @cached_property
    def _merchants(self) -> tuple[Merchant, ...]:
        return install(self._ground, LOG)

    @property
    def _bearers(self) -> tuple[str, ...]:
        return tuple(merchant.key for merchant in self._merchants)

    @cached_property
    def _created(self) -> CreatedIntents:
        return CreatedIntents(self._ground.dsn(LOG), self._merchants)

    @cached_property
    def _create(self) -> CreateRow:
        return CreateRow(report.CREATE, self._api, created=self._created, **self._times)

    @cached_property
    def _pipeline(self) -> Pipeline:
        pipeline = Pipeline(self._ground, FLOW)
        pipeline.relay_all()
        return pipeline

    @cached_property
    def _api(self) -> LoadedServer:
        return self._server("api", "bootstrap.cli", self._merchants, database=LOG)

    @cached_property
    def _echo(self) -> LoadedServer:
        return self._server("echo", "bootstrap.bench.echo", self._merchants)

    @cached_property
    def _bare(self) -> LoadedServer:
        merchants = install(self._ground, BARE)
        return self._server("bare", "bootstrap.bench.bare_append", merchants, database=BARE)

    @cached_property
    def _single(self) -> LoadedServer:
        merchants = install(self._ground, SINGLE)
        return self._server("single", "bootstrap.bench.transaction_a_request", merchants, database=SINGLE)

    @cached_property
    def _with_and_without(self) -> AtOnce:
        names = {report.OBSERVED: "observed", report.UNOBSERVED: "unobserved"}
        return AtOnce([CreateRow(row, self._watched(name), **self._times) for row, name in names.items()])

    def _watched(self, name: str) -> LoadedServer:
        """The API with or without all that tells of it, on a log of its own, so that both grow alike."""
        return self._server(name, f"bootstrap.bench.{name}", install(self._ground, name), database=name)

    def _server(
        self, name: str, module: str, merchants: Sequence[Merchant], database: str | None = None
    ) -> LoadedServer:
        port = ports.choose([])
        environment = {
            "GUILDER_HOME": str(self._ground.home),
            "GUILDER_SHARDS": str(SHARDS),
            "GUILDER_API__PORT": str(port),
        }
        if database is not None:
            environment["GUILDER_POSTGRES__DSN"] = self._ground.dsn(database)
        arguments = ["run", "api"] if module == "bootstrap.cli" else [str(port)]
        process = self._ground.start(name, ["-m", module, *arguments], port, environment)
        bearers = tuple(merchant.key for merchant in merchants)
        return LoadedServer(process, port, bearers, self._ground.home / "loads" / name)


def with_needed(names: Sequence[str]) -> list[str]:
    """The rows of these names and those they need, in the order in which all of them are always measured.

    Raises:
        BenchError: there is no such row.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise BenchError(f"there is no row {', '.join(unknown)}; there are {', '.join(NAMES)}")
    wanted = set(names) | {NEEDED_BY[name] for name in names if name in NEEDED_BY}
    return [name for name in NAMES if name in wanted]
