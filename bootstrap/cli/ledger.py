"""`guilder ledger`: rebuild the ledger from the log, and verify that it is what the log says."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer
from aiokafka.errors import UnknownTopicOrPartitionError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bootstrap.cli.connection import connected_settings
from bootstrap.cli.database import run_at
from bootstrap.cli.kafka import kafka_at
from bootstrap.processes.connections import bootstrap_servers_of, dsn_of
from bootstrap.settings import Settings
from processors.rebuild import (
    KafkaLog,
    LogSource,
    NothingLive,
    PostgresLog,
    Rebuild,
    RebuildDiffers,
    RebuildReport,
    RebuildRunning,
    SourceStalled,
    Verification,
    open_pool,
    shards_of,
    verify_ledger,
)
from processors.topics import TopicMismatch, check_topic
from projections import PROJECTIONS
from projections.checkpoints import PositionGap
from projections.digests import ShardDigest
from schemas.kafka_record import TOPIC

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Rebuild the ledger from the log, and verify it against the log."
)

Result = TypeVar("Result")
Step = Callable[[int, int, int], None]
_FAILED: Final = 1
_SHOWN_HEX: Final = 16
_REFUSED: Final = (
    NothingLive,
    RebuildDiffers,
    RebuildRunning,
    SourceStalled,
    PositionGap,
    TopicMismatch,
    UnknownTopicOrPartitionError,
)
_PROJECTIONS: Final = {projection.name: projection for projection in PROJECTIONS}

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class Source(StrEnum):
    """Where the log is read from."""

    postgres = "postgres"
    kafka = "kafka"


@app.callback()
def ledger() -> None:
    """Rebuild the ledger from the log, and verify it against the log."""


@app.command()
def rebuild(
    *,
    source: Annotated[Source, typer.Option(help="Where the log is read from.")] = Source.postgres,
    projection: Annotated[str, typer.Option(help=f"Which read model: {', '.join(_PROJECTIONS)}.")] = "ledger",
    keep_old: Annotated[bool, typer.Option("--keep-old", help="Leave the replaced generation's tables.")] = False,
    accept_differences: Annotated[
        bool,
        typer.Option("--accept-differences", help="Switch over even if the rebuilt one differs from the live one."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild beside the live generation, compare the two shard by shard, and switch over."""
    if projection not in _PROJECTIONS:
        raise typer.BadParameter(f"{projection!r} is none of {', '.join(_PROJECTIONS)}", param_hint="--projection")

    async def work(pool: Any, settings: Settings, step: Step) -> RebuildReport:
        shards = await shards_of(pool)
        async with _log(source, pool, settings, shards) as log:
            rebuilding = Rebuild(pool, _PROJECTIONS[projection], log, shards=shards, progress=step)
            return await rebuilding.run(accept_differences=accept_differences, keep_old=keep_old)

    report = _run(f"rebuilding {projection} from {source}", work, quiet=as_json)
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
        return
    console = Console()
    _show_digests(console, report.digests)
    old = "dropped" if report.old_dropped else "kept"
    equal = "[green]equal[/green]" if report.equal else "[yellow]not equal[/yellow]"
    console.print(
        f"{projection}_{report.generation} is live: {report.events} events, {equal} to generation {report.replaced}, "
        f"which was {old}"
    )


@app.command()
def verify(*, as_json: AsJson = False) -> None:
    """Hold every record of the log against its hash, check the ledger's invariants and compute every row of it anew.

    Exit codes: 0 when all is as it has to be, 1 when anything is off or there is no ledger.
    """

    async def work(pool: Any, _settings: Settings, step: Step) -> Verification:
        return await verify_ledger(pool, shards=await shards_of(pool), progress=step)

    found = _run("verifying the ledger", work, quiet=as_json)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        console = Console()
        _show_digests(console, found.digests)
        for finding in found.findings:
            console.print(
                f"[red]✗[/red] shard {finding.shard}: {finding.rule}: {escape(finding.detail)}",
                highlight=False,
                soft_wrap=True,
            )
        verdict = "[red]the books are not what was recorded[/red]" if found.findings else "[green]✓[/green] all is well"
        console.print(f"{verdict}: {found.events} events, {found.entries} entries, generation {found.generation}")
    if found.findings:
        raise typer.Exit(_FAILED)


def _run(title: str, work: Callable[[Any, Settings, Step], Awaitable[Result]], *, quiet: bool) -> Result:
    settings = connected_settings()
    dsn = dsn_of(settings)

    async def connected() -> Result:
        pool = await open_pool(dsn)
        try:
            with _progress(title, quiet=quiet) as step:
                return await work(pool, settings, step)
        finally:
            await pool.close()

    try:
        return run_at(dsn, connected)
    except _REFUSED as error:
        Console(stderr=True).print(f"[red]✗[/red] {error}", highlight=False)
        raise typer.Exit(_FAILED) from None


@asynccontextmanager
async def _log(source: Source, pool: Any, settings: Settings, shards: int) -> AsyncIterator[LogSource]:
    match source:
        case Source.postgres:
            yield PostgresLog(pool)
        case Source.kafka:
            servers = bootstrap_servers_of(settings)
            with kafka_at(servers):
                # A broker may make a topic that is read, with as many partitions as it likes.
                await check_topic(servers, TOPIC, partitions=shards)
                async with KafkaLog.open(servers, shards, TOPIC) as log:
                    yield log


@contextmanager
def _progress(title: str, *, quiet: bool) -> Iterator[Step]:
    """A bar over the events of all shards: how many are done of how many each shard aims at."""
    done: dict[int, int] = {}
    aims: dict[int, int] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task(title, total=None)

        def step(shard: int, position: int, until: int) -> None:
            done[shard], aims[shard] = position, until
            bar.update(task, completed=sum(done.values()), total=sum(aims.values()))

        yield step


def _show_digests(console: Console, digests: tuple[ShardDigest, ...]) -> None:
    table = Table("shard", "position", "digest", title="digests per shard", title_justify="left")
    for digest in digests:
        table.add_row(str(digest.shard), str(digest.position), digest.whole[:_SHOWN_HEX] + "…")
    console.print(table)
