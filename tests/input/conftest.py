from collections.abc import AsyncIterator

import pytest

from tests.conftest import fresh_database
from tests.input.installation import Installation, installed


@pytest.fixture(scope="package")
async def installation(postgres_dsn: str, migrated_template: str) -> AsyncIterator[Installation]:
    async with fresh_database(postgres_dsn, template=migrated_template) as dsn, installed(dsn) as made:
        yield made


@pytest.fixture
async def nothing_stored(installation: Installation) -> AsyncIterator[None]:
    """Holds that the log is as long after the test as before."""
    before = await installation.heads()
    yield
    assert await installation.heads() == before
