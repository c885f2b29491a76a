"""Fresh ids from the machine's clock and randomness."""

from typing import Final
from uuid import UUID

from asyncpg.pgproto import pgproto

from bootstrap.clock import SYSTEM_CLOCK, random_bytes
from schemas.clock import Clock
from schemas.identifiers import uuid7_bytes

_ENTROPY_BYTES: Final = 8
_BLOCK_BYTES: Final = 4096


class FreshIds:
    """UUIDv7s of the clock's time; satisfies the `IdFactory` protocol of `schemas.clock`.

    Randomness is fetched in blocks, and the ids are of the database driver's own subclass of `UUID`, which is made and
    hashed in C: an id is a key of half a dozen dicts on its way.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._block = b""
        self._at = 0

    def new_id(self, shard: int) -> UUID:
        """A fresh UUIDv7 that carries `shard` in its 12 `rand_a` bits."""
        if self._at == len(self._block):
            self._block, self._at = random_bytes(_BLOCK_BYTES), 0
        at = self._at
        self._at = at + _ENTROPY_BYTES
        fresh: UUID = pgproto.UUID(uuid7_bytes(shard, self._clock.now_ms(), self._block[at : self._at]))
        return fresh


SYSTEM_IDS: Final = FreshIds(SYSTEM_CLOCK)
