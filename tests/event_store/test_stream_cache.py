"""What a process remembers of streams, and what it forgets first."""

from uuid import UUID

from event_store.record_hashes import NO_PREDECESSOR
from event_store.stream import Stream
from event_store.stream_cache import Folded, StreamCache

DECIDER = object()


def stream(number: int, version: int) -> Stream:
    """A stream that takes as many bytes as it has events."""
    return Stream(UUID(int=number), version=version, record_hash=NO_PREDECESSOR, stored_bytes=version)


def known(cache: StreamCache, *numbers: int) -> list[int | None]:
    """The versions in which the cache knows these streams."""
    found = [cache.stream(UUID(int=number)) for number in numbers]
    return [None if stream is None else stream.version for stream in found]


def test_what_was_used_longest_ago_is_forgotten_as_soon_as_there_is_too_much() -> None:
    cache = StreamCache(stored_bytes=10)
    cache.remember(stream(1, 4))
    cache.remember(stream(2, 6))
    assert known(cache, 1, 2) == [4, 6]
    cache.remember(stream(1, 4))
    cache.remember(stream(3, 1))
    assert known(cache, 1, 2, 3) == [4, None, 1]


def test_a_stream_that_grows_is_counted_once() -> None:
    cache = StreamCache(stored_bytes=10)
    cache.remember(stream(1, 1))
    for version in range(1, 10):
        cache.remember(stream(2, version))
    assert known(cache, 1, 2) == [1, 9]
    cache.remember(stream(2, 10))
    assert known(cache, 1, 2) == [None, 10]


def test_a_shorter_stream_does_not_replace_a_longer_one() -> None:
    cache = StreamCache(stored_bytes=10)
    cache.remember(stream(1, 5))
    cache.remember(stream(1, 4))
    assert known(cache, 1) == [5]


def test_a_stream_longer_than_all_that_may_be_kept_is_not_kept() -> None:
    cache = StreamCache(stored_bytes=10)
    cache.remember(stream(1, 11))
    assert known(cache, 1) == [None]
    cache.remember(stream(1, 10))
    assert known(cache, 1) == [10]


def test_a_fold_stays_while_its_stream_grows_and_goes_with_it() -> None:
    cache = StreamCache(stored_bytes=10)
    folded = Folded(DECIDER, 2, "state")
    cache.remember(stream(1, 2), folded)
    cache.remember(stream(1, 3))
    assert cache.folded(UUID(int=1)) is folded
    cache.remember(stream(2, 10))
    assert cache.folded(UUID(int=1)) is None
    assert cache.folded(UUID(int=2)) is None
