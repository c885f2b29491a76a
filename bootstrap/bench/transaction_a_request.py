"""The same API with a store that flushes one command at a time: what group commit is worth, all else being equal.

One writer commits one command after another, so no two requests share a transaction or a flush of the disk.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

import command_api
from bootstrap.asgi import create_app
from bootstrap.bench.serving import Application, serve
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.processes.api import ApiHealth
from bootstrap.processes.connections import store_options
from bootstrap.settings import Settings
from command_api import CommandServices
from command_api.authentication import Authenticator
from command_api.merchants import Merchants
from command_api.ownership import Ownership
from event_store import EventStore


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Application]:
    """The commands of the API, composed as its process composes them, but for the store's batches."""
    store = await EventStore.open(msgspec.structs.replace(store_options(settings), batch_limit=1))
    try:
        merchants = Merchants(store)
        commands = CommandServices(store, merchants, Ownership(store), SYSTEM_CLOCK, SYSTEM_IDS)
        authenticator = Authenticator(merchants, SYSTEM_CLOCK, operator_key_sha256=None)
        yield create_app([(command_api.ROUTES, commands)], authenticator, ApiHealth(store).report)
    finally:
        await store.close()


if __name__ == "__main__":
    serve(application(Settings()))
