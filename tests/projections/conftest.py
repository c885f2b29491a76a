"""A connection that may do what the projector may."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Any]:
    opened: Any = await asyncpg.connect(database, server_settings={"role": "guilder_projections"})
    yield opened
    await opened.close()
