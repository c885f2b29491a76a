from collections.abc import AsyncIterator

import pytest

from event_store import EventStore, StoreOptions
from tests.contract.samples import CountedIds


@pytest.fixture
def ids() -> CountedIds:
    return CountedIds()


@pytest.fixture
async def store(database: str) -> AsyncIterator[EventStore]:
    opened = await EventStore.open(StoreOptions(dsn=database))
    yield opened
    await opened.close()


@pytest.fixture
async def other_store(database: str) -> AsyncIterator[EventStore]:
    """A second process's store on the same database."""
    opened = await EventStore.open(StoreOptions(dsn=database))
    yield opened
    await opened.close()
