"""One HTTP/1.1 connection with limits on what its client may occupy; uvicorn's own protocol knows none.

What fails below the application (RFC 9112: framing, sizes, time) is answered with a problem document where HTTP allows
an answer, and ends the connection: after a request whose end is unknown nothing can be read any more.
"""

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bootstrap.http_server.refusals import answering, detail_of, rendered
from bootstrap.http_server.request_fields import what_is_wrong
from bootstrap.http_server.unread_bodies import OrderlyTransport, ending_unless_told
from bootstrap.http_server.whole_answers import answer_at_once, answer_bytes
from command_api.hot_dispatch import AT_ONCE
from command_api.problems import WrongMethod
from schemas.errors import (
    BodyTooLarge,
    HeadersTooLarge,
    MalformedRequest,
    Overloaded,
    Rejected,
    RequestTimeout,
)

if TYPE_CHECKING:
    from bootstrap.http_server.connection_watch import ConnectionWatch

MAX_WIRE_BYTES: Final = 1024 * 1024
"""What the body of one request may take on the wire, chunk headers and trailers included, read or not."""
SEND_BUFFER_BYTES: Final = 64 * 1024
"""What the system holds of answers that a client does not take (Linux doubles it); unbounded, it grows to megabytes."""
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 256 * 1024
_NOT_TAKEN: Final = frozenset({b"upgrade", b"http2-settings"})
_ENDING: Final = object()
_UNUSED: Final = object()


class _Stopped(Exception):
    """Stops the parser; what is wrong, if anything is, stands in `_asked`."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits, whose state is looked at once a second instead of timed for each request."""

    def __init__(self, watch: "ConnectionWatch", **uvicorns_own: Any) -> None:
        super().__init__(**uvicorns_own)
        self._watch = watch
        self._max_head_bytes = watch.limits.max_head_bytes
        self._max_headers = watch.limits.max_headers
        self._max_pipelined = watch.limits.max_pipelined
        self.proven = False  # whether it has brought the head of a request
        self._open = False  # a request has begun and is not whole
        self._head_whole = False
        self._chunk_bytes = 0
        self._wire_bytes = 0  # of the open request, in the chunks after its first
        self._asked: Rejected | None = None
        self._refused = False  # whatever else comes is not read
        self._answered = False  # the last word is said, and the rest of a body is read
        self._lingering = False  # the last word is said, and the client may take it
        self._stall = object()
        self._seen: object = None
        self._seen_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type] # a server's transports are asyncio.Transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if not self._watch.admit(self):
            self._refuse(Overloaded("There are too many connections; try again shortly."))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.cycle is not None:
            self.cycle.transport = self.transport  # else they would hold each other
        self._watch.gone(self)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._discard(data)
            return
        self._chunk_bytes = len(data)
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
                if not self._refused:
                    continue
            except httptools.HttpParserError as error:
                if not self._lingering:
                    self._refuse(self._asked or MalformedRequest(detail_of(error)))
            break
        if self._open and not self._refused:
            self._wire_bytes += self._chunk_bytes
            if not self._head_whole:
                if self._wire_bytes > self._max_head_bytes:
                    self._refuse(HeadersTooLarge())
            elif self._wire_bytes > MAX_WIRE_BYTES:
                self._refuse(BodyTooLarge())

    # What the parser found

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._open = True
        self._head_whole = False
        self._wire_bytes = 0

    def on_headers_complete(self) -> None:
        self._head_whole = True
        if len(self.headers) > self._max_headers or (
            self._wire_bytes + self._chunk_bytes > self._max_head_bytes and self._head_bytes() > self._max_head_bytes
        ):
            self._stop(HeadersTooLarge())
        if self.parser.should_upgrade():
            return  # `_without_upgrade` reads it anew
        wrong = what_is_wrong(self.headers, self.parser.get_http_version())
        if wrong is not None:
            self._stop(wrong)
        super().on_headers_complete()
        # The application runs no earlier than in the next turn of the loop.
        self.scope["extensions"] = {AT_ONCE: {"answer": partial(answer_at_once, ref(self.cycle))}}
        if self.expect_100_continue or not self.cycle.keep_alive:
            ending: Any = OrderlyTransport(self.transport, self._end)
            self.cycle.transport = ending
        if self.scope["http_version"] == "1.0":
            # It knows no 100, and would take it for the answer (RFC 9110 section 10.1.1).
            self.cycle.waiting_for_100_continue = False
        elif self.scope["http_version"] != "1.1":
            self._stop(MalformedRequest("The version of HTTP is neither 1.1 nor 1.0."))
        if len(self.pipeline) > self._max_pipelined:
            self._stop(Overloaded("Too many requests wait on this connection."))
        # Fields after the body are no header fields of the request (RFC 9110 section 6.5.1).
        self.headers = []
        if not self.proven:
            self.proven = True
            self._watch.proven(self)

    def on_message_complete(self) -> None:
        self._open = False
        if self._answered:
            self._linger()
            raise _Stopped
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """What uvicorn does, without a timer: the watch ends connections that stay idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self._watch.answered(self)
        if self.pipeline and not self._answered:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        expects = cycle.waiting_for_100_continue
        super()._start_asgi_task(cycle, ending_unless_told(cycle, app) if expects else app)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = object()

    # What the watch does

    def look(self, now: float) -> None:
        """End the connection when it has waited too long for what it waits for; `now` is the event loop's clock."""
        limits = self._watch.limits
        waits_for = self._waits_for()
        if waits_for is None or waits_for is not self._seen:
            self._seen, self._seen_at = waits_for, now
            return
        waited_s = now - self._seen_at
        if waits_for is _ENDING:
            if waited_s > LINGER_S:
                self.transport.abort()
        elif waits_for is self._stall:
            if waited_s > limits.answer_taken_within_s:
                self.transport.abort()
        elif self._open:
            if waited_s > (limits.request_within_s if self._head_whole else limits.head_within_s):
                self._refuse(RequestTimeout())
        elif waited_s > limits.keep_alive_s:
            self.transport.close()

    def keeps_waiting(self) -> bool:
        """Whether it is the client that something is waited for from."""
        return self._waits_for() is not None

    def give_way(self) -> None:
        """Make room for another connection."""
        self.transport.abort()

    def _waits_for(self) -> object:
        """What the connection waits for, the same object for as long as it is the same thing; null: for us."""
        cycle: Any = self.cycle
        if self._lingering or self.transport.is_closing():
            return _ENDING
        if self.flow.write_paused:
            return self._stall
        if self._open and not self._refused:
            return self.scope
        if cycle is None:
            return _UNUSED
        return cycle if cycle.response_complete else None

    # How it ends

    def _stop(self, refusal: Rejected) -> None:
        self._asked = refusal
        raise _Stopped

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The request that asked for another protocol, as one that does not, and what followed it.

        Whoever does not take an upgrade ignores it (RFC 9110 section 7.8). The parser skips the body of such a request,
        so that a capture of a part would become one of all: it is read anew, by a fresh parser.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(WrongMethod(("GET", "HEAD", "POST")))
            return b""
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % field for field in self.headers if field[0] not in _NOT_TAKEN]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join(lines) + b"\r\n\r\n" + rest

    def _refuse(self, refusal: Rejected) -> None:
        """Read no more, and say why, unless that could be taken for the answer to another request."""
        self._refused = True
        self._watch.refused(refusal.code)
        cycle: Any = self.cycle
        if self._answered:
            self._linger()
        elif cycle is None:
            self._say(refusal)
        elif self._open and cycle.scope is self.scope:
            self._refuse_in(cycle, refusal)
        elif cycle.response_complete:
            self._say(refusal)
        else:
            # The requests before it are answered; that the connection ends then says that this one was not.
            cycle.keep_alive = False
            self.flow.pause_reading()

    def _refuse_in(self, cycle: Any, refusal: Rejected) -> None:
        """Refuse the request that the application has been given and is still being read."""
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline[0] = (cycle, answering(refusal, self._watch.request_ids.of(None)))
            cycle.keep_alive = False
        elif cycle.response_complete:
            self._linger()
        elif cycle.response_started:
            cycle.keep_alive = False
        else:
            # The application is told that nobody waits for its answer.
            cycle.disconnected = True
            cycle.message_event.set()
            self._say(refusal)

    def _say(self, refusal: Rejected) -> None:
        status, headers, body = rendered(refusal, self._watch.request_ids.of(None))
        self.transport.write(answer_bytes(status, [*self.server_state.default_headers, *headers], body))
        self._linger()

    def _end(self) -> None:
        """Close, but not on a client that is still sending what it was answered to."""
        if not self._open:
            self.transport.close()
        elif not self._answered:
            self._answered = True
            self.transport.write_eof()

    def _linger(self) -> None:
        """Close in a way that lets the client read the answer: not while it still sends (RFC 9112 section 9.6)."""
        self._refused = self._lingering = True
        self._wire_bytes = 0
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _discard(self, data: bytes) -> None:
        self._wire_bytes += len(data)
        if self._lingering and self._wire_bytes > LINGER_BYTES:
            self.transport.abort()
