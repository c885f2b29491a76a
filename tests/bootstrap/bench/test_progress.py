"""What is worked out of looks at the log and the ledger, and the looking itself."""

import asyncpg
import pytest

from bootstrap.bench import BenchError
from bootstrap.bench.flow_round import lag_between, nearest
from bootstrap.bench.live import empty_read_models, posting_rate
from bootstrap.bench.progress import Look, ProgressWatch


def look(at_s: float, head: int, reached: int) -> Look:
    """Two shards of which the second has nothing new."""
    return Look(at_s, {0: head, 1: 5}, {0: reached, 1: 5})


def empty(at_s: float) -> Look:
    return Look(at_s, {0: 100, 1: 5}, {0: 0, 1: 0})


def test_lag_is_in_events_and_in_the_time_since_the_log_was_there() -> None:
    looks = [look(0, 10, 10), look(1, 20, 10), look(2, 30, 15), look(3, 30, 30)]
    lag = lag_between(looks, 1, 4)
    assert (lag.p50_events, lag.max_events) == (10, 15)
    # At 1 the ledger was where the log had been at 0, at 2 where it got to at 1, at 3 where it got to at 2.
    assert (lag.p50_ms, lag.max_ms) == (1000, 1000)
    assert lag_between(looks, 3, 4).max_events == 0


def test_the_look_closest_to_a_moment() -> None:
    looks = [look(0, 1, 1), look(1, 2, 2), look(2, 3, 3)]
    assert nearest(looks, 1.4) is looks[1]
    assert nearest(looks, 99) is looks[2]


def test_posting_counts_from_the_first_commit_that_was_seen_to_the_end() -> None:
    looks = [empty(0), empty(5), look(6, 100, 20), look(7, 100, 60), look(8, 100, 100), look(9, 100, 100)]
    assert posting_rate(looks) == 80 / 2


def test_what_was_over_at_one_look_has_no_rate() -> None:
    with pytest.raises(BenchError, match="too few events"):
        posting_rate([empty(0), look(1, 100, 100)])


def test_the_watch_sees_the_log_and_the_live_generation(database: str) -> None:
    with ProgressWatch(database, every_s=0.01) as watch:
        assert watch.wait_until_level(10)
    assert (watch.looks[-1].head, watch.looks[-1].position) == (0, 0)


def test_a_watch_that_cannot_look_says_so() -> None:
    with (
        pytest.raises(OSError, match=r"refused|Connect"),
        ProgressWatch("postgresql://nobody@127.0.0.1:9/none", every_s=0.01) as watch,
    ):
        assert not watch.wait_until_level(5)


async def test_read_models_are_emptied_by_a_generation_of_their_own(database: str) -> None:
    await empty_read_models(database)
    connection = await asyncpg.connect(database)
    try:
        live = await connection.fetch("SELECT projection, generation FROM live ORDER BY projection")
        schemas = await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^(ledger|payments)_'")
    finally:
        await connection.close()
    assert [tuple(row) for row in live] == [("ledger", 2), ("payments", 2)]
    assert schemas == 2
