"""The arithmetic of a report: medians over rounds, ratios side by side, and how far each is from what it must be."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

_PERCENT: Final = 100


class Rounds(msgspec.Struct, frozen=True):
    """One figure of several rounds, in the order they were measured; never empty."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def over(self, other: "Rounds") -> "Rounds":
        """This figure as a multiple of another, round by round: what the machine does meanwhile hits both."""
        return Rounds(tuple(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)))


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure has to reach: `must` is the least that is accepted (null: it is only reported), `goal` the aim.

    `at_most` turns both round: the figure must not exceed them.
    """

    must: float | None
    goal: float
    at_most: bool = False

    def met(self, value: float) -> bool | None:
        """Whether `must` is met; null where there is none."""
        if self.must is None:
            return None
        return value <= self.must if self.at_most else value >= self.must

    def short_of_goal(self, value: float) -> float:
        """How far `value` is from the goal, as a share of the goal; 0 when it is reached."""
        gap = value - self.goal if self.at_most else self.goal - value
        return max(0.0, gap / self.goal)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank); `ascending` is sorted."""
    rank = math.ceil(len(ascending) * percent / _PERCENT)
    return ascending[max(rank, 1) - 1]
