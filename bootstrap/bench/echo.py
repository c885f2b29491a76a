"""The yardstick: an ASGI handler that does nothing but answer a request's body with the same bytes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bootstrap.bench.serving import Application, serve

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


async def echo(_scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer 200 with the body that came."""
    await answer(send, await body_of(receive))


async def body_of(receive: Receive) -> bytes:
    """The request's body."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def answer(send: Send, body: bytes) -> None:
    """Answer 200 with `body`."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def application() -> AsyncIterator[Application]:
    """The echo; it needs nothing open."""
    yield echo


if __name__ == "__main__":
    serve(application())
