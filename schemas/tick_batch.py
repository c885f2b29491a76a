"""Many small reads that come together become one query."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")

AT_ONCE: Final = 2


class TickBatch(Generic[Key, Found]):
    """Answers `get(key)` by calling `fetch` once for all keys that were asked for meanwhile, at most `limit`.

    Meanwhile is since the last tick of the event loop, or, while `at_once` calls are under way, since the oldest of
    them began, and for two ticks after it ended: those who were answered and ask again at once join those who wait.
    So the busier the process, the more each query carries. `fetch` always begins after `get` was called, so
    what it finds is never older than the question. It answers every key it was given; an answer that is an exception is
    raised to those who asked for that key, and to nobody else. A caller that is cancelled cancels only its own wait.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Found | Exception]]],
        *,
        limit: int,
        at_once: int = AT_ONCE,
    ) -> None:
        self._fetch = fetch
        self._limit = limit
        self._at_once = at_once
        self._waiting: dict[Key, list[asyncio.Future[Found]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._starting = False

    async def get(self, key: Key) -> Found:
        """What `fetch` finds for `key`, or the error it raises."""
        loop = asyncio.get_running_loop()
        if not self._starting and len(self._running) < self._at_once:
            self._starting = True
            loop.call_soon(self._start)
        future: asyncio.Future[Found] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        return await future

    async def close(self) -> None:
        """Wait for the queries that are under way, and for those that wait for them."""
        while self._running or self._starting:
            await asyncio.gather(*self._running)
            await asyncio.sleep(0)

    def _start(self) -> None:
        self._starting = False
        while self._waiting and len(self._running) < self._at_once:
            keys = list(islice(self._waiting, self._limit))
            task = asyncio.create_task(self._run({key: self._waiting.pop(key) for key in keys}))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if self._waiting and not self._starting:
            self._starting = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._start)

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
