"""Accidents, planned from a seed: which process is killed or frozen next, and for how long."""

import asyncio
import os
import random
import signal
from contextlib import suppress

import msgspec

from tests.campaign.installation import PROCESSES, Installation

LONGEST_CALM_S = 4.0
LONGEST_FREEZE_S = 30.0
RECOVERS_WITHIN_S = 120.0


class Accident(msgspec.Struct, frozen=True):
    """After a calm the process called `name` is killed, or frozen for `frozen_s` seconds and then goes on.

    With `alone` the next accident waits until this one is made good.
    """

    after_s: float
    name: str
    frozen_s: float | None
    alone: bool


class Chaos:
    """Accidents without end; the same seed plans the same ones."""

    def __init__(self, installation: Installation, seed: int) -> None:
        self._installation = installation
        self._dice = random.Random(seed)
        self.happened: list[str] = []

    def next_accident(self) -> Accident:
        dice = self._dice
        return Accident(
            after_s=dice.uniform(0, LONGEST_CALM_S),
            name=dice.choice(PROCESSES),
            frozen_s=dice.uniform(1, LONGEST_FREEZE_S) if dice.random() < 0.25 else None,
            alone=dice.random() < 0.6,
        )

    async def run(self, seconds: float) -> None:
        """Accidents for so long; then all processes are well again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._happen(self.next_accident())
        await self._installation.healthy(within_s=RECOVERS_WITHIN_S)

    async def _happen(self, accident: Accident) -> None:
        await asyncio.sleep(accident.after_s)
        # One that is dead already, and about to be started again, has no pid to send anything to.
        with suppress(ProcessLookupError, KeyError):
            if accident.frozen_s is None:
                self._installation.signal(accident.name, signal.SIGKILL)
                self.happened.append(f"{accident.name} killed")
            else:
                self.happened.append(f"{accident.name} frozen for {accident.frozen_s:.0f} s")
                await self._freeze(accident.name, accident.frozen_s)
        if accident.alone:
            await self._installation.healthy(within_s=RECOVERS_WITHIN_S)

    async def _freeze(self, name: str, seconds: float) -> None:
        pid = self._installation.signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
