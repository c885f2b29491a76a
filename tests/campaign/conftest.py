"""One whole installation for all campaigns, so that each finds the history that those before it have left.

It is that of the end-to-end tests too.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.campaign.installation import Installation, shared_installation
from tests.campaign.traffic import Customer


@pytest.fixture(scope="package")
def installation() -> Installation:
    return shared_installation()


@pytest_asyncio.fixture(scope="package")
async def customers(installation: Installation) -> AsyncIterator[list[Customer]]:
    """Merchants of three shards at most, one of which has its money soon."""
    yield await installation.customers(3)
