"""Hearing of moved shards: LISTEN on a connection of its own, listened on anew whenever it is lost."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from event_store.connections import connect
from event_store.notifier import CHANNEL
from event_store.options import StoreOptions

_LISTEN_AGAIN_S: Final = 1.0
_log = logging.getLogger(__name__)


class HeadListener:
    """Calls `heard` with each `shard:position` that is announced on `guilder_heads`.

    While the connection is away announcements are missed, so whoever listens polls as well.
    """

    def __init__(self, options: StoreOptions, heard: Callable[[str], None]) -> None:
        self._options = options
        self._heard = heard
        self._task = asyncio.create_task(self._listen(), name="event store listener")

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            lost = asyncio.Event()
            connection: Any = None
            try:
                connection = await connect(self._options, "listener")
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, head: self._heard(head))
                await lost.wait()
            except Exception as error:  # noqa: BLE001 - polling goes on meanwhile
                _log.warning("nothing is heard on %s: %r", CHANNEL, error)
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(_LISTEN_AGAIN_S)
