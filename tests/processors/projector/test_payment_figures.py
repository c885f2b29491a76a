"""What payments come to, counted once as the log is applied."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from bootstrap.processes.projector import payment_failure_rate
from processors.projector import Projector, open_pool
from projections import PROJECTIONS
from tests.projections.history import History, Payment, as_record

FIGURES = (
    ("payments_created_total", {"livemode": "true"}),
    ("payments_captured_total", {"livemode": "true"}),
    ("revenue_processed", {"livemode": "true", "currency": "SEK"}),
    ("guilder_payment_outcomes_total", {"operation": "authorize", "outcome": "succeeded"}),
    ("guilder_payment_outcomes_total", {"operation": "capture", "outcome": "succeeded"}),
)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    pool = await open_pool(database)
    try:
        yield pool
    finally:
        await pool.close()


def figures() -> list[float]:
    return [REGISTRY.get_sample_value(name, labels) or 0 for name, labels in FIGURES]


async def test_each_event_counts_once_however_often_it_comes(pool: Any) -> None:
    history = History(livemode=True, currency="SEK")
    for name in ("one", "two"):
        history.add(*Payment(name, amount=1_500, currency="SEK").paid(), stream=name)
    records = [as_record(event) for event in history.recorded]
    projector = Projector(pool, PROJECTIONS)
    before = figures()
    rate = payment_failure_rate()
    half = len(records) // 2
    assert await projector.handle(1, records[:half]) == half
    assert await projector.handle(1, records) == len(records)
    assert await projector.handle(1, records) == len(records)
    assert [now - then for now, then in zip(figures(), before, strict=True)] == [2, 2, 3_000, 2, 2]
    [family] = rate.collect()
    assert family.samples[0].value == 0
