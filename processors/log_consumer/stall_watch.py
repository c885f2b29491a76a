"""Judging whether a worker still moves: Faust cannot be trusted to notice when it has stopped feeding a shard."""

from collections.abc import Mapping
from typing import Final

from processors.log_consumer.shard_progress import ShardProgress

SHRUNK_FOR_S: Final = 3.0
# While other shards with a backlog move, one may only be waiting for its turn.
BUSY_FACTOR: Final = 4


class Stalled(Exception):
    """A shard that is not halted has messages waiting and has not moved for long: only a new process may help."""


def look(
    shards: Mapping[int, ShardProgress], highwaters: Mapping[int, int | None], *, now: float, after_s: float
) -> list[int]:
    """Note how far the topic has got; the shards whose partition is shorter than what was read of it before.

    Raises:
        Stalled: a shard has not moved for `after_s` seconds, nor any other that has messages waiting.
    """
    others_move = any(now - progress.moved_at < after_s for progress in shards.values() if progress.lag)
    patience_s = after_s * (BUSY_FACTOR if others_move else 1)
    shrunk = []
    for shard, progress in shards.items():
        if progress.halted:
            continue
        highwater = progress.highwater = highwaters[shard]
        still_s = now - progress.moved_at
        if progress.lag and still_s > patience_s:
            raise Stalled(f"shard {shard} has {progress.lag} messages waiting and has not moved for {still_s:.0f} s")
        if highwater is None or highwater == progress.next_offset:
            progress.moved_at = now
        elif highwater < progress.next_offset and still_s > SHRUNK_FOR_S:
            progress.moved_at = now
            shrunk.append(shard)
    return shrunk
