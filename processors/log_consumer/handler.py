"""What is done with the records of the log, apart from how they arrive."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from schemas.records import Record


class PositionGap(Exception):
    """The next record is not the one that follows the checkpoint: something between is missing."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"position {got} came where {expected} belongs")
        self.expected = expected
        self.got = got


class BatchHandler(Protocol):
    """Applies records and remembers in PostgreSQL how far it has come.

    After a rebalance two workers may be given the same records for a while, so the checkpoint in the database decides
    what is new, never memory.
    """

    @property
    def name(self) -> str:
        """Under this name halted shards are kept and shown."""
        ...

    async def positions(self, shards: Sequence[int]) -> dict[int, int]:
        """The last position that was applied, for each of `shards`; 0 where none was."""
        ...

    async def handle(self, shard: int, records: Sequence[Record]) -> int:
        """Apply the records of one shard, in order, in one transaction; the position that is committed now.

        The transaction locks the shard's checkpoint, drops the records at or below it, applies the rest, and moves the
        checkpoint with them.

        Raises:
            PositionGap: the first record that is left does not follow the checkpoint.
            Exception: an outage (see `processors.patience.OUTAGES`) is tried again; anything else halts the shard.
        """
        ...

    async def handle_together(self, batches: Mapping[int, Sequence[Record]]) -> Mapping[int, int]:
        """Apply the records of several shards as `handle` does those of one; the positions that are committed now.

        In as few transactions as it can. Whatever it raises, each shard may be handled by itself after that, where what
        was committed is dropped as always.
        """
        ...
