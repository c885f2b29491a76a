"""Answers that are whole when they are sent leave in one write; the two messages of ASGI cost two system calls.

Offered to the application as an extension in the scope (ASGI, "Extensions"), so that whoever does not know it, or looks
at what is sent on its way, goes on with the messages.
"""

from collections.abc import Iterable
from typing import Any
from weakref import ReferenceType

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

Field = tuple[bytes, bytes]


def answer_bytes(status: int, fields: Iterable[Field], body: bytes) -> bytes:
    """An answer of HTTP/1.1 (RFC 9112 section 2.1) as it goes over the wire.

    Raises:
        ValueError: a field holds the end of a line, so that what follows it would be read as another field.
    """
    lines = [STATUS_LINE[status]]
    lines += [b"%b: %b\r\n" % field for field in fields]
    head = b"".join(lines)
    if not head.count(b"\n") == head.count(b"\r") == len(lines):
        raise ValueError("a header of the answer holds the end of a line")
    return b"%b\r\n%b" % (head, body)


async def answer_at_once(request: ReferenceType[Any], status: int, fields: list[Field], body: bytes) -> None:
    """Answer `request`, uvicorn's cycle, as its `send` does with an answer's two messages.

    A weak reference, since the scope that holds it is held by the cycle: each request would be left to the collector of
    reference cycles, which comes rarely and then stops everything for 50 ms. The fields tell the body's length, unless
    the status says that there is none. Raises as `answer_bytes` does.
    """
    cycle = request()
    assert cycle is not None, "whoever answers a request was called by it"
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    ending = [] if cycle.keep_alive else [(b"connection", b"close")]
    answer = answer_bytes(status, [*cycle.default_headers, *fields, *ending], body)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(answer)
    cycle.message_event.set()
    if ending:
        cycle.transport.close()
    cycle.on_response()
