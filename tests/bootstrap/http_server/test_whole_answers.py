"""What an application answers at once reads like what it answers in messages, and leaves in one write."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bootstrap.http_server.whole_answers import answer_bytes
from command_api.hot_dispatch import AT_ONCE
from tests.bootstrap.http_server.conftest import Raw, listening

FIELDS = [(b"content-type", b"text/plain"), (b"x-own", b"a, b")]


class Answering:
    """Answers `/whole` at once and any other path in messages, with the same."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        body = b"" if scope["query_string"] == b"204" else b"hello"
        status = int(scope["query_string"] or b"200")
        fields = FIELDS if status == 204 else [*FIELDS, (b"content-length", b"5")]
        if scope["path"] == "/whole":
            await scope["extensions"][AT_ONCE]["answer"](status, fields, body)
            return
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def _connected(application: Any) -> AsyncIterator[Raw]:
    async with listening(application) as (server, _):
        raw = Raw(*await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1]))
        try:
            yield raw
        finally:
            raw.writer.transport.abort()


async def _said(path: str, version: str) -> bytes:
    """Two answers on one connection, or the one after which it ends."""
    async with _connected(Answering()) as raw:
        ask = f"GET {path} HTTP/{version}\r\nHost: a\r\n\r\n".encode()
        last = f"GET {path} HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        await raw.send(ask + last)
        return re.sub(rb"date: [^\r]*", b"date: now", await raw.rest())


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("status", [200, 204, 404])
async def test_at_once_is_what_the_messages_say(version: str, status: int) -> None:
    at_once = await _said(f"/whole?{status}", version)

    assert at_once == await _said(f"/messages?{status}", version)
    assert at_once.count(b"HTTP/1.1 %d " % status) == (2 if version == "1.1" else 1)


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_a_field_with_the_end_of_a_line_is_no_field(end: bytes) -> None:
    with pytest.raises(ValueError, match="end of a line"):
        answer_bytes(200, [(b"x-own", b"a" + end + b"set-cookie: b")], b"")


async def test_one_write_takes_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        cycle = send.__self__
        with monkeypatch.context() as patched:
            patched.setattr(cycle, "transport", _Noting(cycle.transport, written))
            await Answering()(scope, receive, send)

    async with _connected(noting) as raw:
        await raw.send(b"GET /whole HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await raw.answer()).body == b"hello"

    assert len(written) == 1


async def test_a_client_that_has_gone_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    answered = asyncio.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
        cycle = send.__self__
        with monkeypatch.context() as patched:
            patched.setattr(cycle, "transport", _Noting(cycle.transport, written))
            await scope["extensions"][AT_ONCE]["answer"](200, [(b"content-length", b"0")], b"")
        answered.set()

    async with _connected(late) as raw:
        await raw.send(b"GET /whole HTTP/1.1\r\nHost: a\r\n\r\n")
        raw.writer.close()
        async with asyncio.timeout(10):
            await answered.wait()

    assert written == []


async def test_an_answer_waits_until_the_one_before_is_taken() -> None:
    begun, written = asyncio.Semaphore(0), []
    body = bytes(8 * 1024 * 1024)  # more than the system holds for a client that does not read

    async def large(scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        begun.release()
        await scope["extensions"][AT_ONCE]["answer"](200, [(b"content-length", b"%d" % len(body))], body)
        written.append(scope["path"])

    async with _connected(large) as raw, asyncio.timeout(20):
        await raw.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in (1, 2, 3)))
        await begun.acquire()
        await begun.acquire()
        await asyncio.sleep(0.1)
        assert written == ["/1"]
        for _ in range(3):
            assert (await raw.answer()).body == body

    assert written == ["/1", "/2", "/3"]


@pytest.mark.parametrize("path", ["/whole", "/messages"])
async def test_a_request_leaves_nothing_to_the_collector_of_cycles(path: str) -> None:
    async with _connected(Answering()) as raw:

        async def ask(times: int) -> None:
            for _ in range(times):
                await raw.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert (await raw.answer()).status == 200

        await ask(10)
        gc.collect()
        gc.disable()
        try:
            await ask(100)
            left = gc.collect()
        finally:
            gc.enable()

    assert left < 100


class _Noting:
    """A transport that notes what is written."""

    def __init__(self, transport: Any, written: list[bytes]) -> None:
        self._transport, self._written = transport, written

    def write(self, data: bytes) -> None:
        self._written.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
