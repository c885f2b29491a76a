"""How far the ledger follows the log, looked at again and again by a thread while something else is measured."""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Self

import asyncpg
import msgspec

_LOOK: Final = """
    SELECT h.shard, h.position AS head, coalesce(c.position, 0) AS reached
    FROM heads h JOIN live l ON l.projection = 'ledger'
    LEFT JOIN checkpoints c ON c.projection = l.projection AND c.generation = l.generation AND c.shard = h.shard
"""


class Look(msgspec.Struct, frozen=True):
    """The log and the ledger at one moment (seconds of the monotonic clock): the last position of each shard."""

    at_s: float
    heads: Mapping[int, int]
    reached: Mapping[int, int]

    @property
    def head(self) -> int:
        """How many events the log holds."""
        return sum(self.heads.values())

    @property
    def position(self) -> int:
        """How many of them the ledger has."""
        return sum(self.reached.values())

    @property
    def lag(self) -> int:
        return self.head - self.position


class ProgressWatch:
    """Looks every `every_s` seconds from `__enter__` to `__exit__`; `looks` are in order.

    Raises what went wrong with its connection, at the end.
    """

    def __init__(self, dsn: str, *, every_s: float) -> None:
        self.looks: list[Look] = []
        self._dsn = dsn
        self._every_s = every_s
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="progress")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def wait_until_level(self, timeout_s: float) -> bool:
        """Whether the ledger has come up with the log, at a look from now on, within `timeout_s`."""
        seen, deadline = len(self.looks), time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._thread.is_alive():
            if any(look.lag == 0 for look in self.looks[seen:]):
                return True
            time.sleep(self._every_s)
        return False

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except Exception as error:  # noqa: BLE001 - raised where the watch ends
            self._failure = error

    async def _watch(self) -> None:
        connection: Any = await asyncpg.connect(self._dsn)
        try:
            while not self._stop.is_set():
                rows = await connection.fetch(_LOOK)
                heads = {row["shard"]: row["head"] for row in rows}
                reached = {row["shard"]: row["reached"] for row in rows}
                self.looks.append(Look(time.monotonic(), heads, reached))
                await asyncio.sleep(self._every_s)
        finally:
            await connection.close()
