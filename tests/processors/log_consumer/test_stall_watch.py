"""When a worker counts as stalled, when it is only busy, and when the topic has shrunk under it."""

import pytest

from processors.log_consumer.shard_progress import ShardProgress
from processors.log_consumer.stall_watch import Stalled, look

AFTER_S = 30.0


def progress(*, next_offset: int, moved_at: float, halted: bool = False) -> ShardProgress:
    # The watch has seen a backlog before.
    return ShardProgress(position=next_offset, next_offset=next_offset, moved_at=moved_at, halted=halted, highwater=100)


def test_a_shard_with_a_backlog_that_stands_still_is_stalled() -> None:
    shards = {0: progress(next_offset=10, moved_at=0), 1: progress(next_offset=100, moved_at=0)}
    assert look(shards, {0: 100, 1: 100}, now=29, after_s=AFTER_S) == []
    with pytest.raises(Stalled, match="shard 0 has 90 messages waiting and has not moved for 31 s"):
        look(shards, {0: 100, 1: 100}, now=31, after_s=AFTER_S)


def test_while_others_work_off_their_backlog_a_shard_may_wait_longer_but_not_for_ever() -> None:
    shards = {0: progress(next_offset=10, moved_at=0), 1: progress(next_offset=50, moved_at=100)}
    assert look(shards, {0: 100, 1: 100}, now=110, after_s=AFTER_S) == []
    with pytest.raises(Stalled, match="shard 0"):
        look(shards, {0: 100, 1: 100}, now=121, after_s=AFTER_S)


def test_a_halted_shard_is_not_expected_to_move() -> None:
    shards = {0: progress(next_offset=10, moved_at=0, halted=True)}
    assert look(shards, {0: 100}, now=1000, after_s=AFTER_S) == []


def test_a_shard_that_has_caught_up_starts_to_count_anew() -> None:
    shards = {0: progress(next_offset=100, moved_at=0)}
    assert look(shards, {0: 100}, now=1000, after_s=AFTER_S) == []
    assert look(shards, {0: 101}, now=1029, after_s=AFTER_S) == []


def test_a_topic_that_has_shrunk_is_told_once_in_a_while() -> None:
    shards = {0: progress(next_offset=100, moved_at=0)}
    assert look(shards, {0: 60}, now=2, after_s=AFTER_S) == [], "it may be an old answer"
    assert look(shards, {0: 60}, now=4, after_s=AFTER_S) == [0]
    assert look(shards, {0: 60}, now=5, after_s=AFTER_S) == []
