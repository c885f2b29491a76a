"""The bench from beginning to end: everything is started, the rows take turns, everything is removed."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bootstrap.bench import conditions, report
from bootstrap.bench.authorize import AuthorizeRow
from bootstrap.bench.balance import BalanceRow
from bootstrap.bench.create import BODY, CreateRow, PacedRow
from bootstrap.bench.fsync import fdatasync_ms
from bootstrap.bench.ground import SHARDS, Ground, Merchant, install, prepared_ground
from bootstrap.bench.ledger import RebuildRow, fill
from bootstrap.bench.loaded_server import LoadedServer
from bootstrap.bench.pgbench import PgbenchRow
from bootstrap.bench.report import Report
from bootstrap.bench.row import Measured, Missing, Row
from bootstrap.local_stack import ports

_WARM_UP_S: Final = 1.0
_WARM_UP_SHARE: Final = 0.25
_FSYNC_S: Final = 0.5

Progress = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure: `seconds` for each row in each of `rounds`, and a ledger of so many paid `lifecycles`."""

    seconds: float
    rounds: int
    lifecycles: int

    @property
    def warm_up_s(self) -> float:
        return min(_WARM_UP_S, self.seconds * _WARM_UP_SHARE)


def run_bench(folder: Path, plan: Plan, progress: Progress = lambda _what: None) -> Report:
    """Measure everything with servers of its own in a new folder below `folder`, which is removed afterwards.

    Raises:
        BenchError: a row could not be measured as it should.
        LocalStackError: a server could not be started.
    """
    load_1m = os.getloadavg()[0]
    progress("starting the servers")
    with prepared_ground(folder) as ground:
        fsync = fdatasync_ms(ground.home, seconds=min(_FSYNC_S, plan.seconds))
        seen = conditions.observe(
            ground,
            load_1m=load_1m,
            rounds=plan.rounds,
            seconds=plan.seconds,
            lifecycles=plan.lifecycles,
            fdatasync_ms=fsync,
        )
        rounds = take_turns(_rows(ground, plan), plan.rounds, progress)
    return report.made(seen, rounds)


def take_turns(
    rows: Sequence[Row], rounds: int, progress: Progress = lambda _what: None
) -> dict[str, list[Measured | Missing]]:
    """Measure each row once a round, so that whatever the machine does meanwhile meets all of them alike."""
    measured: dict[str, list[Measured | Missing]] = {row.name: [] for row in rows}
    for number in range(rounds):
        for row in rows:
            progress(f"round {number + 1} of {rounds}: {row.name}")
            measured[row.name].append(row.measure(number))
    return measured


def _rows(ground: Ground, plan: Plan) -> list[Row]:
    merchants, others = install(ground, "guilder"), install(ground, "transaction_a_request")
    asyncio.run(fill(ground.dsn("guilder"), [merchant.id for merchant in merchants], plan.lifecycles))
    echo = _server(ground, "echo", "bootstrap.bench.echo", merchants)
    api = _server(ground, "api", "bootstrap.cli", merchants, database="guilder")
    single = _server(
        ground, "single", "bootstrap.bench.transaction_a_request", others, database="transaction_a_request"
    )
    observed, unobserved = (
        _server(ground, name, f"bootstrap.bench.{name}", install(ground, name), database=name)
        for name in ("observed", "unobserved")
    )
    seconds, warm_up_s = plan.seconds, plan.warm_up_s
    create = CreateRow(report.CREATE, api, keep_ids=True, seconds=seconds, warm_up_s=warm_up_s)
    return [
        CreateRow(report.ECHO, echo, seconds=seconds, warm_up_s=warm_up_s),
        create,
        PacedRow(report.PACED, api, create, seconds=seconds, warm_up_s=warm_up_s),
        AuthorizeRow(api, create, seconds=seconds, warm_up_s=warm_up_s),
        BalanceRow(api, seconds=seconds, warm_up_s=warm_up_s),
        CreateRow(report.SINGLE, single, seconds=seconds, warm_up_s=warm_up_s),
        PgbenchRow(ground, seconds=plan.seconds, row_bytes=len(BODY)),
        RebuildRow(report.REBUILD, ground.dsn("guilder")),
        CreateRow(report.OBSERVED, observed, seconds=seconds, warm_up_s=warm_up_s),
        CreateRow(report.UNOBSERVED, unobserved, seconds=seconds, warm_up_s=warm_up_s),
    ]


def _server(
    ground: Ground, name: str, module: str, merchants: Sequence[Merchant], database: str | None = None
) -> LoadedServer:
    port = ports.choose([])
    environment = {"GUILDER_HOME": str(ground.home), "GUILDER_SHARDS": str(SHARDS), "GUILDER_API__PORT": str(port)}
    if database is not None:
        environment["GUILDER_POSTGRES__DSN"] = ground.dsn(database)
    arguments = ["run", "api"] if module == "bootstrap.cli" else [str(port)]
    process = ground.start(name, ["-m", module, *arguments], port, environment)
    return LoadedServer(process, port, tuple(merchant.key for merchant in merchants), ground.home / "loads" / name)
