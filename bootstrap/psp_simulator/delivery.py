"""Sending an answer, or conspicuously not: holding the socket, or resetting the connection.

A reset needs the connection itself, which ASGI does not show; `ConnectionShowingProtocol` puts it into the scope.
"""

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any, cast

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bootstrap.psp_simulator.clock import SimulatedClock
from bootstrap.psp_simulator.problems import PROBLEM_JSON
from bootstrap.psp_simulator.replies import Delivery, Reply
from bootstrap.psp_simulator.scenarios import SILENCE_MS

TRANSPORT = "psp_simulator.transport"
_FIRST_ERROR = 400


class ConnectionShowingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the transport among the scope's extensions."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("MutableMapping[str, Any]", self.scope)["extensions"] = {TRANSPORT: self.transport}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Reset(Response):
    """Ends the TCP connection with RST and no answer."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        transport: asyncio.Transport = scope["extensions"][TRANSPORT]
        # A client that has left already has closed the socket under us, and there is nothing to reset.
        if not transport.is_closing():
            # Linger 0: the kernel drops the connection with a reset in place of an orderly end.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        await _gone(receive)


class Silence(Reset):
    """Holds the socket for longer than any client waits, then resets it; ends early when the client leaves."""

    def __init__(self, clock: SimulatedClock, duration_ms: int = SILENCE_MS) -> None:
        super().__init__()
        self._clock = clock
        self._duration_ms = duration_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = asyncio.create_task(self._clock.sleep(self._duration_ms))
        left = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({held, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (held, left):
                task.cancel()
        await super().__call__(scope, receive, send)


class CutWhenCancelled:
    """Resets the connection of a request that the end of the process cuts short: nothing is said that is not known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            await Reset()(scope, receive, send)


def respond(reply: Reply, clock: SimulatedClock) -> Response:
    """The reply on its way to the caller, or what the caller gets in its place."""
    match reply.delivery:
        case Delivery.SILENT:
            return Silence(clock)
        case Delivery.RESET:
            return Reset()
        case Delivery.WHOLE:
            return Response(
                reply.body,
                reply.status,
                media_type=PROBLEM_JSON if reply.status >= _FIRST_ERROR else "application/json",
                headers={"Idempotent-Replayed": "true"} if reply.replayed else None,
            )
