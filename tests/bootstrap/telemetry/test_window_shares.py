"""Shares over the last minutes, reckoned from counters that only rise."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from bootstrap.telemetry.window_shares import WindowShare, total


class Scene:
    """A share of `part` in `whole`, at a time that a test sets."""

    def __init__(self) -> None:
        self.part, self.whole, self.now = 0.0, 0.0, 0.0
        self.registry = CollectorRegistry()
        self.registry.register(
            WindowShare("share", "A share.", lambda: (self.part, self.whole), window_s=300, now_s=lambda: self.now)
        )

    def at(self, now: float, part: float, whole: float) -> float:
        self.now, self.part, self.whole = now, part, whole
        value = self.registry.get_sample_value("share")
        assert value is not None
        return value


def test_it_is_nothing_of_nothing_then_the_share_since_the_start() -> None:
    scene = Scene()
    assert scene.at(1, 0, 0) == 0
    assert scene.at(10, 1, 4) == 0.25
    assert scene.at(299, 3, 4) == 0.75


def test_what_is_older_than_the_window_no_longer_counts() -> None:
    scene = Scene()
    assert scene.at(100, 10, 10) == 1
    assert scene.at(200, 10, 20) == 0.5
    assert scene.at(400, 10, 30) == 0, "of 20 since the note at 100 s none"
    assert scene.at(1000, 10, 30) == 0


def test_whoever_asks_often_changes_nothing() -> None:
    scene = Scene()
    for tenth in range(6000):
        scene.at(tenth / 10, tenth, 2 * tenth)
    assert scene.at(600, 6000, 12_000) == 0.5


def test_totals_are_taken_over_series_with_the_wanted_labels() -> None:
    registry = CollectorRegistry()
    counter = Counter("calls", "Calls.", ["result", "kind"], registry=registry)
    counter.labels("bad", "a").inc(2)
    counter.labels("bad", "b").inc(3)
    counter.labels("good", "a").inc(4)
    histogram = Histogram("took_seconds", "Time.", ["result"], registry=registry)
    histogram.labels("bad").observe(7)
    assert (total(counter), total(counter, result="bad"), total(counter.labels("good", "a"))) == (9, 5, 4)
    assert (total(histogram), total(histogram, result="good")) == (1, 0)
