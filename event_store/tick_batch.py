"""Many small reads of one tick of the event loop become one query."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class TickBatch(Generic[Key, Found]):
    """Answers `get(key)` by calling `fetch` once for all keys that were asked for since the last tick.

    `fetch` answers every key it was given; an answer that is an exception is raised to those who asked for that key,
    and to nobody else. A caller that is cancelled cancels only its own wait.
    """

    def __init__(
        self, fetch: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Found | Exception]]], *, limit: int
    ) -> None:
        self._fetch = fetch
        self._limit = limit
        self._waiting: dict[Key, list[asyncio.Future[Found]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, key: Key) -> Found:
        """What `fetch` finds for `key`, or the error it raises."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._start)
        future: asyncio.Future[Found] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        return await future

    async def close(self) -> None:
        """Wait for the queries that are under way."""
        await asyncio.gather(*self._running)

    def _start(self) -> None:
        waiting, self._waiting = list(self._waiting.items()), {}
        for first in range(0, len(waiting), self._limit):
            task = asyncio.create_task(self._run(dict(waiting[first : first + self._limit])))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self, waiting: dict[Key, list["asyncio.Future[Found]"]]) -> None:
        try:
            found = await self._fetch(list(waiting))
        except Exception as error:  # noqa: BLE001 - it is the callers' error
            for futures in waiting.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(error)
            return
        for key, futures in waiting.items():
            answer = found[key]
            for future in futures:
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
