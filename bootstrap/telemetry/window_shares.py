"""Shares over the last minutes (`psp_error_rate` and its like), reckoned from counters when they are asked for.

Nothing is kept for an event; the counters that are there anyway are noted at each scrape.
"""

from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

WINDOW_S: Final = 300.0
_APART_S: Final = 1.0

PartAndWhole = Callable[[], tuple[float, float]]


class WindowShare(Collector):
    """A gauge from 0 to 1: which share of what was counted over the last `window_s` was of a kind; 0 where nothing was.

    `counted` gives the part and the whole since the process began; neither ever falls.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        counted: PartAndWhole,
        *,
        window_s: float = WINDOW_S,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._counted = counted
        self._window_s = window_s
        self._now_s = now_s
        self._notes: deque[tuple[float, float, float]] = deque([(now_s(), *counted())])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge, as Prometheus's registry asks for it."""
        yield GaugeMetricFamily(self._name, self._documentation, value=self._share())

    def _share(self) -> float:
        now, (part, whole) = self._now_s(), self._counted()
        notes = self._notes
        # The newest note that is a window old stays: what came since then is the window's.
        while len(notes) > 1 and notes[1][0] <= now - self._window_s:
            notes.popleft()
        _, first_part, first_whole = notes[0]
        if now - notes[-1][0] >= _APART_S:
            notes.append((now, part, whole))
        return (part - first_part) / (whole - first_whole) if whole > first_whole else 0.0


def total(metric: MetricWrapperBase, **wanted: str) -> float:
    """What a counter, or a histogram's count, has come to over all series with these labels."""
    return sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(("_total", "_count"))
        and all(sample.labels.get(label) == value for label, value in wanted.items())
    )
