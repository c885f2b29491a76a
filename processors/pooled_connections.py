"""What happens to a connection when it goes back to its pool."""

from typing import Any


async def leave_as_it_is(connection: Any) -> None:
    """Nothing here changes a session, so nothing has to be reset, which would be one more round trip for each use.

    A transaction that was cut off while it ended is an exception.
    """
    if connection.is_in_transaction():
        await connection.reset()
