"""What happens to a connection when it goes back to its pool."""

from typing import Any


async def leave_as_it_is(_connection: Any) -> None:
    """No user changes its session, so nothing has to be reset, which would be one more round trip for each use.

    A transaction that was cut off is ended all the same: asyncpg does that before it asks.
    """
