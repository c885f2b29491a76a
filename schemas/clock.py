"""Time and fresh ids as arguments, so that whoever needs them can be given fixed ones."""

from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Where the time comes from."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        ...


class IdFactory(Protocol):
    """Where fresh ids come from."""

    def new_id(self, shard: int) -> UUID:
        """A fresh UUIDv7 that carries `shard` in its 12 `rand_a` bits."""
        ...
