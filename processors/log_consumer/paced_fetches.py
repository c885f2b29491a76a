"""Fetches with a pause behind each that brought something, so that what comes within it comes together.

A fetch costs client and broker about as much for one message as for a hundred. The first message after a quiet while is
still brought at once: a pause only keeps the next fetch waiting.
"""

import asyncio
from typing import Any


def pace(client: Any, pause_s: float) -> None:
    """Have a started aiokafka consumer wait `pause_s` behind a fetch that brought messages before it fetches again.

    Meanwhile these are taken. Otherwise the next fetch, which leaves out partitions whose messages are not taken yet,
    would go out without them, and what comes for them would wait until it ends.
    """
    fetcher: Any = client._fetcher  # noqa: SLF001 - aiokafka has no setting for it
    fetch = fetcher._proc_fetch_request  # noqa: SLF001

    async def fetch_and_pause(assignment: Any, node_id: int, request: Any) -> bool:
        brought: bool = await fetch(assignment, node_id, request)
        if brought:
            # While this runs the node counts as being fetched from, and nobody else says that something has come.
            for waiter in fetcher._fetch_waiters:  # noqa: SLF001
                fetcher._notify(waiter)  # noqa: SLF001
            try:
                await asyncio.sleep(pause_s)
            except asyncio.CancelledError:
                return False  # as a fetch answers whose result is no longer wanted
        return brought

    fetcher._proc_fetch_request = fetch_and_pause  # noqa: SLF001
