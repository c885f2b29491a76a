"""What tests of several processors need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processors.own_broker import OwnBroker, broker_at


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBroker]:
    broker = broker_at(tmp_path)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
