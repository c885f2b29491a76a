"""Fresh ids from the machine's clock and randomness."""

from typing import Final
from uuid import UUID

from bootstrap.clock import SYSTEM_CLOCK, random_bytes
from schemas.clock import Clock
from schemas.identifiers import uuid7


class SystemIds:
    """UUIDv7s of this moment; satisfies the `IdFactory` protocol of `schemas.clock`."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock

    def new_id(self, shard: int) -> UUID:
        """A fresh id that carries `shard`."""
        return uuid7(shard, self._clock.now_ms(), random_bytes(8))


SYSTEM_IDS: Final = SystemIds()
