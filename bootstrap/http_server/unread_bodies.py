"""How a connection ends after a request that was answered before its body had come.

Closed at once, whatever of the body still arrives is answered with a reset, which overtakes the answer (RFC 9112 section
9.6). So the last word is said, and what comes is read until the request is whole; the limits of requests hold.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class OrderlyTransport:
    """The transport of one answer that ends its connection: `end` closes it in the right moment."""

    def __init__(self, transport: "asyncio.Transport", end: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = end


def ending_unless_told(cycle: Any, app: Any) -> Any:
    """`app`, after whose answer the connection ends where the client still waits to be told to go on with its body.

    It may send the body then or leave it out, and nobody could tell a body from the next request (RFC 9110 section
    10.1.1). `cycle` is uvicorn's of that request.
    """

    async def ending(scope: Any, receive: Any, send: Any) -> None:
        async def send_and_end(message: Any) -> None:
            if cycle.waiting_for_100_continue:
                cycle.keep_alive = False
            await send(message)

        await app({**scope, "extensions": {}}, receive, send_and_end)

    return ending
