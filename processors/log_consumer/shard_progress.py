"""What a worker knows of a shard that is assigned to it; decisions are in the database, this only steers reading."""

from collections import deque
from typing import Any

import msgspec


class ShardProgress(msgspec.Struct, kw_only=True):
    """`position` is the committed one; `next_offset` what is to be handled next; `moved_at` monotonic seconds.

    `gap_at` is the offset at which a gap showed, until the shard is read again from below it: what still arrives
    beyond it is older than that second reading. `missing` is the position that did not come the first time. `waiting`
    holds Faust's events, runs of messages, that are to be handled while the shard is `at_work` on others.
    """

    position: int
    next_offset: int
    moved_at: float
    highwater: int | None = None
    halted: bool = False
    gap_at: int | None = None
    missing: int | None = None
    waiting: deque[Any] = msgspec.field(default_factory=deque)
    waiting_messages: int = 0
    at_work: bool = False

    @property
    def lag(self) -> int:
        """How many messages of the partition are still to be handled, as far as is known."""
        return max(0, (self.highwater or 0) - self.next_offset)

    def add(self, event: Any) -> None:
        """An event of Faust's, a run of messages, has arrived."""
        self.waiting.append(event)
        self.waiting_messages += len(event.message.value)

    def take(self, limit: int) -> list[Any]:
        """The next events to handle, of about `limit` messages together; none once the shard is halted."""
        taken: list[Any] = []
        size = 0
        while self.waiting and size < limit:
            taken.append(self.waiting.popleft())
            size += len(taken[-1].message.value)
        self.waiting_messages -= size
        return [] if self.halted else taken

    def is_stale(self, offset: int) -> bool:
        """Whether a message was fetched before the shard was sent back; the first that was not ends the waiting."""
        if self.gap_at is None:
            return False
        if offset > self.gap_at:
            return True
        self.gap_at = None
        return False

    def handled(self, *, position: int, next_offset: int, at: float) -> None:
        """Messages below `next_offset` are done with, and the shard is committed up to `position`."""
        if position > self.position:
            self.missing = None
        self.position = position
        self.next_offset = next_offset
        self.moved_at = at
