"""Where a request came from is what the connection says, whatever its headers claim."""

import asyncio
from typing import Any

from tests.bootstrap.http_server.conftest import Raw, listening


async def test_no_header_says_where_a_request_came_from() -> None:
    seen: list[tuple[Any, Any]] = []

    async def noting(scope: Any, _receive: Any, send: Any) -> None:
        seen.append((scope["client"], scope["scheme"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with listening(noting) as (server, _):
        # From 127.0.0.1, whose word uvicorn takes by default.
        raw = Raw(*await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1]))
        await raw.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
            b"Forwarded: for=203.0.113.7;proto=https\r\n\r\n"
        )
        assert (await raw.answer()).status == 200
        own = raw.writer.get_extra_info("sockname")
        raw.writer.transport.abort()

    assert seen == [(own, "http")]
