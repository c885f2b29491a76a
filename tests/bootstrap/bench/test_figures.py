"""Medians, ratios and verdicts, by hand."""

import pytest

from bootstrap.bench.figures import Rounds, Target, percentile


def test_the_median_is_not_moved_by_one_bad_round() -> None:
    assert Rounds((100.0, 3.0, 110.0)).median == 100.0


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine was twice as fast in the second round; both rows gained, so their ratio did not.
    ratio = Rounds((50.0, 100.0, 45.0)).over(Rounds((100.0, 200.0, 100.0)))
    assert ratio.values == (0.5, 0.5, 0.45)
    assert ratio.median == 0.5


def test_rows_of_different_rounds_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Rounds((1.0, 2.0)).over(Rounds((1.0,)))


@pytest.mark.parametrize(
    ("value", "met", "short"), [(0.3, False, 0.4), (0.4, True, 0.2), (0.5, True, 0.0), (0.7, True, 0.0)]
)
def test_at_least(value: float, met: bool, short: float) -> None:
    target = Target(must=0.4, goal=0.5)
    assert target.met(value) is met
    assert target.short_of_goal(value) == pytest.approx(short)


def test_at_most() -> None:
    target = Target(must=8, goal=6, at_most=True)
    assert (target.met(9), target.met(8), target.met(5)) == (False, True, True)
    assert target.short_of_goal(9) == pytest.approx(0.5)
    assert target.short_of_goal(6) == 0


def test_what_is_only_reported_is_neither_met_nor_missed() -> None:
    assert Target(must=None, goal=6, at_most=True).met(100) is None


@pytest.mark.parametrize(("percent", "value"), [(50, 5.0), (99, 10.0), (90, 9.0), (1, 1.0)])
def test_percentiles_by_nearest_rank(percent: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], percent) == value


def test_the_percentile_of_one_value_is_it() -> None:
    assert percentile([7.0], 99) == 7.0
