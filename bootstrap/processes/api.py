"""The API process: commands and queries over HTTP."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

import command_api
from bootstrap.asgi import create_app
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.http_server import server_config, with_files_for
from bootstrap.identity import SYSTEM_IDS
from bootstrap.processes import HealthReport, OpsServer, stop_on_signals
from bootstrap.processes.connections import dsn_of, store_options
from bootstrap.settings import Settings
from bootstrap.telemetry.exposition import Exposition
from bootstrap.telemetry.logs import configure_logging, secrets_of
from bootstrap.telemetry.traced_requests import traced
from bootstrap.telemetry.traces import start_tracing
from bootstrap.telemetry.window_shares import WindowShare, total
from command_api import CommandServices
from command_api.authentication import Authenticator
from command_api.hot_dispatch import App
from command_api.idempotency import NEW_COMMANDS, REPEATED_COMMANDS
from command_api.merchants import Merchants
from command_api.ownership import Ownership
from event_store import EventStore, StoreOptions
from projections import query_api
from projections.query_api import QueryServices
from schemas.errors import ShardUnavailable

NAME: Final = "api"
GC_THRESHOLDS: Final = (30_000, 100, 100)
_READY_WITHIN_S: Final = 2.0
_SAYS_THAT_IT_WAITS_AFTER_S: Final = 1.0


class ApiHealth:
    """Ready while the log can be read; commands need nothing else, and reads fail by themselves."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def report(self) -> HealthReport:
        """Whether the log answers within two seconds, and how far it has got."""
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                heads = await self._store.heads()
        except (ShardUnavailable, TimeoutError):
            return HealthReport(ready=False, details={"log": "cannot be read"})
        return HealthReport(ready=True, details={"shards": self._store.shards, "events": sum(heads.values())})


@asynccontextmanager
async def application(settings: Settings, ending: asyncio.Event | None = None) -> AsyncIterator[App]:
    """The HTTP application with everything it needs open: the log, and the read models.

    Once `ending` is set no outcome is waited for: whoever waits for one is told how far it has got.

    Raises:
        WrongNumberOfShards: the installation has another number of shards than is configured.
        SettingMissing: no database is named.
        SchemaDisagreement: the database knows a schema by another hash than this program.
        ShardUnavailable: the database cannot be reached.
    """
    store = await _opened(store_options(settings))
    end = asyncio.create_task(_end_waits(store, ending or asyncio.Event()), name="end waits")
    try:
        queries = await QueryServices.open(dsn_of(settings), shards=store.shards)
        try:
            merchants = Merchants(store)
            authenticator = Authenticator(merchants, SYSTEM_CLOCK, operator_key_sha256=settings.operator.key_sha256)
            commands = CommandServices(store, merchants, Ownership(store), SYSTEM_CLOCK, SYSTEM_IDS)
            yield create_app(
                [(command_api.ROUTES, commands), (query_api.ROUTES, queries)],
                authenticator,
                ApiHealth(store).report,
                Exposition([idempotency_hit_rate()]),
                max_invalid_per_s=settings.api.max_invalid_per_s,
            )
        finally:
            await queries.close()
    finally:
        end.cancel()
        await store.close()


async def _end_waits(store: EventStore, ending: asyncio.Event) -> None:
    await ending.wait()
    store.end_waits()


async def _opened(options: StoreOptions) -> EventStore:
    """The store. Whoever reads the log hears what is waited for, also where PostgreSQL neither refuses nor answers."""
    say = structlog.get_logger(NAME).warning
    told = asyncio.get_running_loop().call_later(
        _SAYS_THAT_IT_WAITS_AFTER_S, partial(say, "waiting for PostgreSQL", at_most_s=options.reconnect_deadline_s)
    )
    try:
        return await EventStore.open(options)
    finally:
        told.cancel()


def idempotency_hit_rate() -> WindowShare:
    """Which share of the commands of the last minutes repeated one that was there."""

    def counted() -> tuple[float, float]:
        repeated = total(REPEATED_COMMANDS)
        return repeated, repeated + total(NEW_COMMANDS)

    return WindowShare(
        "idempotency_hit_rate", "Share of commands, over the last 5 minutes, that repeated one that was there.", counted
    )


def settle_memory() -> None:
    """Keep the collector of reference cycles from looking at the same living objects again and again.

    What lives from the start lives to the end. Requests leave few cycles behind and the stores' caches are large, so
    rare collections suffice: the default thresholds cost a fifth of the process's time on the way of a command. They are
    frequent enough, though, that one which looks at what was cached meanwhile holds up nobody for long (some 10 ms).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then refuse new requests, finish those under way without waiting for outcomes, store what waits, and end."""
    configure_logging(NAME, secrets=secrets_of(settings))
    log = structlog.get_logger(NAME)
    tracing = start_tracing(NAME, settings.telemetry, folder=settings.home / "logs")
    ending = asyncio.Event()
    async with application(settings, ending) as app:
        limits = with_files_for(settings.api.limits)
        http = traced(app, settings.telemetry.sampled)
        where = {"host": settings.api.host, "port": settings.api.port}
        config = server_config(http, settings.api.host, settings.api.port, limits)
        server = OpsServer(config, lambda: log.info("started", **where), ending.set)
        stopping = stop_on_signals()
        settle_memory()
        serving = asyncio.create_task(server.serve(), name="http")
        asked = asyncio.create_task(stopping.wait(), name="stop asked")
        await asyncio.wait([serving, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        server.should_exit = True
        await serving
    if tracing is not None:
        await asyncio.to_thread(tracing.shutdown)
    log.info("ended")
