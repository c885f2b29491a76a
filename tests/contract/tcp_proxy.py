"""A TCP proxy that stands between the store and PostgreSQL and can fail as networks do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65536


class TcpProxy:
    """Passes bytes on until it is told otherwise.

    `swallow_answer` decides, by what the client has just sent, whether the server's next answer is lost and the
    connection with it: the server has done its work and nobody learns of it. While `frozen` nothing is passed on, and
    nothing is cut, as when the server's machine is gone.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._conversations: set[asyncio.Task[None]] = set()
        self.swallow_answer: Callable[[bytes], bool] = lambda _: False
        self.refuse = False
        self.frozen = False
        self.port = 0
        self.cuts = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)
        if self.refuse:
            writer.transport.abort()
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        self._open |= {writer, upstream_writer}
        doomed = asyncio.Event()
        try:
            await asyncio.gather(
                self._questions(reader, upstream_writer, doomed), self._answers(upstream_reader, writer, doomed)
            )
        except OSError:
            pass
        finally:
            for side in (writer, upstream_writer):
                self._open.discard(side)
                side.transport.abort()

    async def _questions(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(_CHUNK):
            if self.swallow_answer(data):
                doomed.set()
            while self.frozen:  # noqa: ASYNC110 - a test's
                await asyncio.sleep(0.05)
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await reader.read(_CHUNK):
            if doomed.is_set():
                self.cuts += 1
                break
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    def cut(self) -> None:
        """Cut every connection there is, this very moment."""
        for writer in list(self._open):
            writer.transport.abort()

    async def close(self) -> None:
        self.cut()
        await asyncio.gather(*self._conversations, return_exceptions=True)


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy before the server of `dsn`, and the DSN that leads through it."""
    address = urlsplit(dsn)
    proxy = TcpProxy(address.hostname or "127.0.0.1", address.port or 5432)
    server = await asyncio.start_server(proxy.converse, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    login = address.netloc.rpartition("@")[0]
    netloc = f"{login}@127.0.0.1:{proxy.port}" if login else f"127.0.0.1:{proxy.port}"
    try:
        yield proxy, urlunsplit(address._replace(netloc=netloc))
    finally:
        server.close()
        await proxy.close()
