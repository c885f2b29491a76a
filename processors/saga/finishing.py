"""The ends of steps, written together: all that wait while one statement runs go into the next."""

import asyncio

from processors.patience import OUTAGES
from processors.saga.steps import Finish, StepTable
from schemas.clock import Clock

_Waiting = tuple[Finish, asyncio.Future[bool]]


class Finisher:
    """Groups `StepTable.finish` calls of one loop; no timer, and nobody waits for anything but the statement before."""

    def __init__(self, table: StepTable, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    async def finish(self, ending: Finish) -> bool:
        """Write the end of a step; whether it was still ours.

        Raises what PostgreSQL raises for it.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((ending, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await future

    async def close(self) -> None:
        """Wait for the statement that is under way."""
        if self._flushing is not None:
            await self._flushing

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write(batch)
        finally:
            self._flushing = None

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            ours = await self._table.finish([ending for ending, _ in batch], now_ms=self._clock.now_ms())
        except OUTAGES as outage:
            for _, future in batch:
                _tell(future, outage)
            return
        except Exception as error:  # noqa: BLE001 - handed to whom it concerns
            if len(batch) == 1:
                _tell(batch[0][1], error)
                return
            # One of them may be at fault: alone, it harms nobody else.
            for alone in batch:
                await self._write([alone])
            return
        for (_, future), mine in zip(batch, ours, strict=True):
            if not future.done():
                future.set_result(mine)


def _tell(future: asyncio.Future[bool], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
