"""One whole installation for all campaigns, so that each finds the history that those before it have left.

It is that of the end-to-end tests too.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.campaign.installation import Installation, shared_installation
from tests.campaign.traffic import Customer


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    with shared_installation() as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def customers(installation: Installation) -> AsyncIterator[list[Customer]]:
    """Merchants of three shards at most, one of which has its money soon."""
    yield await installation.customers(3)
