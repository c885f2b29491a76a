"""What `/metrics` answers: rendered for whoever asks, but not for each of them."""

import asyncio

from prometheus_client import CollectorRegistry, Gauge, Histogram

from bootstrap.telemetry.exposition import Exposition


class Asked:
    """A figure that says how often it was asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.times = 0
        self._gauge = Gauge("asked", "How often.", registry=self.registry)

    async def refresh(self) -> None:
        self.times += 1
        await asyncio.sleep(0.01)
        self._gauge.set(self.times)

    def exposition(self, fresh_for_s: float) -> Exposition:
        return Exposition(refreshes=[self.refresh], registry=self.registry, fresh_for_s=fresh_for_s)


async def test_who_asks_at_once_or_again_at_once_gets_what_was_rendered() -> None:
    asked = Asked()
    exposition = asked.exposition(fresh_for_s=60)
    texts = await asyncio.gather(*[exposition.text() for _ in range(20)])
    texts.append(await exposition.text())
    assert asked.times == 1
    assert len(set(texts)) == 1
    assert b"\nasked 1.0\n" in texts[0]


async def test_what_is_no_longer_fresh_is_rendered_anew() -> None:
    asked = Asked()
    exposition = asked.exposition(fresh_for_s=0.02)
    await exposition.text()
    await asyncio.sleep(0.03)
    assert b"\nasked 2.0\n" in await exposition.text()


async def test_a_refresh_that_failed_is_made_again() -> None:
    asked = Asked()

    async def fails() -> None:
        if asked.times == 1:
            raise OSError

    exposition = Exposition(refreshes=[asked.refresh, fails], registry=asked.registry, fresh_for_s=60)
    first, second = await asyncio.gather(exposition.text(), exposition.text(), return_exceptions=True)
    assert isinstance(first, OSError)
    assert isinstance(second, bytes)


async def test_a_series_does_not_bring_along_another_for_when_it_began() -> None:
    exposition = Exposition([took := Histogram("took_seconds", "Time.", ["result"], registry=None)])
    took.labels("good").observe(0.02)
    text = (await exposition.text()).decode()
    assert 'took_seconds_count{result="good"} 1.0' in text
    assert "took_seconds_created" not in text
