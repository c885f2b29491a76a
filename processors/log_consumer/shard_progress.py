"""What a worker knows of a shard that is assigned to it; decisions are in the database, this only steers reading."""

import msgspec


class ShardProgress(msgspec.Struct, kw_only=True):
    """`position` is the committed one; `next_offset` what is to be handled next; `moved_at` monotonic seconds.

    `gap_at` is the offset at which a gap showed, until the shard is read again from below it: what still arrives
    beyond it is older than that second reading. `missing` is the position that did not come the first time.
    """

    position: int
    next_offset: int
    moved_at: float
    highwater: int | None = None
    halted: bool = False
    gap_at: int | None = None
    missing: int | None = None

    @property
    def lag(self) -> int:
        """How many messages of the partition are still to be handled, as far as is known."""
        return max(0, (self.highwater or 0) - self.next_offset)

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
