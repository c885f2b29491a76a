"""Telling other processes that shards have moved on, after the commit and from another connection.

A NOTIFY inside the append would make PostgreSQL serialise every appending transaction of the whole cluster.
"""

import asyncio
import logging
from typing import Final

from event_store.connections import SteadyConnection
from event_store.options import StoreOptions

CHANNEL: Final = "guilder_heads"
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', payload) FROM unnest($1::text[]) AS payload"  # noqa: S608 - a constant
_log = logging.getLogger(__name__)


class HeadNotifier:
    """Sends the newest `shard:position` of each shard that moved, at most once in `notify_interval_ms`.

    A notification that is lost does no harm: everyone who listens polls the heads as well.
    """

    def __init__(self, options: StoreOptions) -> None:
        self._interval_s = options.notify_interval_ms / 1000
        self._connection = SteadyConnection(options, "notifier", synchronous_commit="off")
        self._moved: dict[int, int] = {}
        self._something = asyncio.Event()
        self._sender = asyncio.create_task(self._send(), name="event store notifier")

    def moved(self, shard: int, position: int) -> None:
        """The shard's head is now at `position`."""
        self._moved[shard] = position
        self._something.set()

    async def close(self) -> None:
        """Stop; what was not sent is left to the listeners' polling."""
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        await self._connection.close()

    async def _send(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            moved, self._moved = self._moved, {}
            try:
                await self._connection.fetch(_NOTIFY, [f"{shard}:{position}" for shard, position in moved.items()])
            except Exception as error:  # noqa: BLE001 - polling makes good whatever was not sent
                _log.warning("heads were not announced: %r", error)
            await asyncio.sleep(self._interval_s)
