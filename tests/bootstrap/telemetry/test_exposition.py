"""What a process tells Prometheus."""

from prometheus_client import Histogram

from bootstrap.telemetry.exposition import Exposition


async def test_a_series_does_not_bring_along_another_for_when_it_began() -> None:
    exposition = Exposition([took := Histogram("took_seconds", "Time.", ["result"], registry=None)])
    took.labels("good").observe(0.02)
    text = (await exposition.text()).decode()
    assert 'took_seconds_count{result="good"} 1.0' in text
    assert "took_seconds_created" not in text
