"""The least that a durable create can be: a body is parsed, an event that stands ready is appended, the body comes back.

Nobody is authenticated, and nothing is checked, decided, encoded, folded or rendered: server, group commit and driver
alone. What a create takes beyond it is the domain's.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import msgspec

from bootstrap.bench.echo import Receive, Send, answer, body_of
from bootstrap.bench.ground import SHARDS
from bootstrap.bench.lifecycles import paid_lifecycle
from bootstrap.bench.serving import Application, serve
from bootstrap.identity import SYSTEM_IDS
from bootstrap.processes.connections import store_options
from bootstrap.settings import Settings
from event_store import EventStore

_parse = msgspec.json.Decoder().decode


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Application]:
    """Appends a creation for each body, in all shards in turn; a request without one is only answered."""
    store = await EventStore.open(store_options(settings))
    shards = cycle(range(SHARDS))
    lifecycle = paid_lifecycle(SYSTEM_IDS.new_id(0))

    async def append(_scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        body = await body_of(receive)
        if body:
            _parse(body)
            shard = next(shards)
            event = msgspec.structs.replace(lifecycle.events[0], event_id=SYSTEM_IDS.new_id(shard))
            await store.append(msgspec.structs.replace(lifecycle, stream_id=SYSTEM_IDS.new_id(shard), events=(event,)))
        await answer(send, body)

    try:
        yield append
    finally:
        await store.close()


if __name__ == "__main__":
    serve(application(Settings()))
