"""What is said to a request that fails below the application."""

from typing import Any

import httptools

from command_api.problems import problem
from schemas.errors import Rejected


def detail_of(error: Exception) -> str | None:
    """What the parser says of bytes that are no HTTP; nothing of what went wrong in this program."""
    if isinstance(error, httptools.HttpParserCallbackError) or not error.args:
        return None
    return f"The request is not HTTP/1.1: {error.args[0]}."


def rendered(refusal: Rejected, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, fields and body of a refusal that ends the connection."""
    status, headers, body = problem(refusal, request_id)
    headers += [
        (b"content-length", str(len(body)).encode()),
        (b"request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    return status, headers, body


def answering(refusal: Rejected, request_id: str) -> Any:
    """An ASGI application that answers whatever it is asked with one refusal."""

    async def refusing(_scope: Any, _receive: Any, send: Any) -> None:
        status, headers, body = rendered(refusal, request_id)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return refusing
