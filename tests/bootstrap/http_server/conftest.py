"""A server with tight limits over an application that tells what it was given, and clients that speak raw bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from uvicorn.server import ServerState

from bootstrap.http_server import connection_watch, server_config
from bootstrap.settings import HttpLimits

PATIENCE_S = 10


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Telling:
    """Answers with what it was given; `/slow` waits until it is let go, `/large` answers with 64 MiB."""

    def __init__(self) -> None:
        self.may_go = asyncio.Event()
        self.served: list[str] = []
        self.gone = 0
        self.pieces = 0
        self.slow_begun = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        if scope["path"] == "/early":
            await self._answer(send, b"early")
            return
        if scope["path"] in {"/large", "/openapi.json"}:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1024):
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                self.pieces += 1
            await send({"type": "http.response.body", "body": b""})
            return
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone += 1
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.served.append(scope["path"])
        if scope["path"] == "/slow":
            self.slow_begun.set()
            await self.may_go.wait()
        told = {
            "method": scope["method"],
            "path": scope["path"],
            "body": body.decode(),
            "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        }
        await self._answer(send, json.dumps(told).encode())

    async def _answer(self, send: Any, content: bytes) -> None:
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class Raw:
    """One connection, written to and read from as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split(" ")[1]), headers, body)

    async def rest(self) -> bytes:
        """Whatever comes until the server ends the connection."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def ended(self) -> bool:
        """Waits until the server has ended the connection; whether nothing came before."""
        try:
            return await self.rest() == b""
        except ConnectionResetError:
            return True


class Place:
    """The server, the application behind it, and the connections that were opened to it."""

    def __init__(self, server: asyncio.Server, state: ServerState, application: Telling) -> None:
        self.state, self.application = state, application
        self.port = server.sockets[0].getsockname()[1]
        self._opened: list[Raw] = []

    async def open(self) -> Raw:
        raw = Raw(*await asyncio.open_connection("127.0.0.1", self.port))
        self._opened.append(raw)
        return raw

    async def ask(self, data: bytes) -> Answer:
        raw = await self.open()
        await raw.send(data)
        return await raw.answer()

    async def still_serves(self) -> bool:
        return (await self.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200

    def close(self) -> None:
        for raw in self._opened:
            raw.writer.transport.abort()


@asynccontextmanager
async def listening(
    application: Any, limits: HttpLimits | None = None
) -> AsyncIterator[tuple[asyncio.Server, ServerState]]:
    """The house's protocol over an application; uvicorn's own server takes a fifth of a second to end."""
    state, config = ServerState(), server_config(application, "127.0.0.1", 0, limits)
    config.load()
    protocol: Any = config.http_protocol_class
    server = await asyncio.get_running_loop().create_server(
        partial(protocol, config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    try:
        yield server, state
    finally:
        server.close()
        await asyncio.gather(*state.tasks)
        await server.wait_closed()


Serve = Callable[..., AbstractAsyncContextManager[Place]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serves with limits of the test's own; the watch looks fifty times a second."""
    monkeypatch.setattr(connection_watch, "LOOK_EVERY_S", 0.02)

    @asynccontextmanager
    async def served(**limits: Any) -> AsyncIterator[Place]:
        application = Telling()
        async with listening(application, HttpLimits(**limits)) as (server, state):
            place = Place(server, state, application)
            try:
                yield place
            finally:
                application.may_go.set()
                place.close()

    return served


@pytest.fixture
async def place(serve: Serve) -> AsyncIterator[Place]:
    """With the limits as they are unless told."""
    async with serve() as served:
        yield served
