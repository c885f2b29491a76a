"""What hostile clients do, each on connections of its own, bounded in number and in time, and on the loopback only."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count, cycle
from typing import Final

from bootstrap.bench.create import BODY, PATH
from bootstrap.bench.hostile.attack import Attack, Seen
from bootstrap.local_stack.ports import LOOPBACK

_DRIBBLE_S: Final = 0.25
_AGAIN_S: Final = 0.05
_GONE_AFTER_S: Final = 0.05
_SECRET_LENGTH: Final = 43
_NOBODY: Final = "nobody"
_ASSET: Final = "/docs/assets/swagger-ui.css"
_PIPELINED: Final = 500
_LARGE: Final = 4 * 1024 * 1024
_PIECE: Final = b"x" * 65_536
_STATUS: Final = b"HTTP/1.1 "
_STATUS_AT: Final = slice(9, 12)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Attacker:
    """One attack under way, and what is seen of it."""

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.seen = Seen()
        self.numbers = count()

    async def run(self) -> None:
        """Misbehave on all connections until the time is over."""
        one = KINDS[self.attack.kind]
        everyone = [asyncio.create_task(self._over_and_over(one)) for _ in range(self.attack.connections)]
        try:
            await asyncio.wait(everyone, timeout=self.attack.seconds)
        finally:
            for task in everyone:
                task.cancel()
            await asyncio.gather(*everyone, return_exceptions=True)

    async def _over_and_over(self, one: "Kind") -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(LOOPBACK, self.attack.port)
            except OSError:
                self.seen.failed += 1
                await asyncio.sleep(_AGAIN_S)
                continue
            self.seen.connected += 1
            try:
                await one(self, reader, writer)
            except (OSError, EOFError):
                self.seen.ended += 1
                await asyncio.sleep(_AGAIN_S)
            finally:
                writer.transport.abort()

    def head(
        self,
        method: str,
        path: str,
        *,
        length: int | None = None,
        unique: bool = False,
        bearer: str | None = None,
        wait_s: int | None = None,
    ) -> bytes:
        """A request's head with the one merchant's key, where no other bearer is named."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}"]
        lines.append(f"Authorization: Bearer {bearer or self.attack.bearer}")
        lines.append("Content-Type: application/json")
        if wait_s is not None:
            lines.append(f"Prefer: wait={wait_s}")
        if unique:
            lines.append(f"Idempotency-Key: hostile-{next(self.numbers)}-{id(self)}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def answer(self, reader: asyncio.StreamReader) -> None:
        """Read one answer, and note its status."""
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(_STATUS):
            raise ConnectionError("no answer")
        status = int(head[_STATUS_AT])
        self.seen.statuses[status] = self.seen.statuses.get(status, 0) + 1
        length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))


Kind = Callable[[Attacker, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _dribble(
    attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, start: bytes
) -> None:
    """Send `start`, then a byte now and then, until the server has enough of it."""
    writer.write(start)
    told = asyncio.ensure_future(attacker.answer(reader))
    try:
        while not told.done():
            writer.write(b"x")
            await asyncio.wait([told], timeout=_DRIBBLE_S)
        await told
    finally:
        told.cancel()


async def slow_heads(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head that never ends, byte by byte."""
    await _dribble(attacker, reader, writer, attacker.head("POST", PATH)[:-2] + b"X-Slow: ")


async def slow_bodies(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body that was promised and comes byte by byte."""
    await _dribble(attacker, reader, writer, attacker.head("POST", PATH, length=60_000, unique=True))


async def idle(_attacker: Attacker, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """A connection on which nothing is ever said."""
    if not await reader.read(1):
        raise ConnectionResetError


async def _send_large(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    told = asyncio.ensure_future(attacker.answer(reader))
    try:
        for _ in range(_LARGE // len(_PIECE)):
            if told.done():
                break
            writer.write(_PIECE)
            await writer.drain()
        await told
    finally:
        told.cancel()


async def large_bodies(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bodies of 4 MiB."""
    writer.write(attacker.head("POST", PATH, length=_LARGE, unique=True))
    await _send_large(attacker, reader, writer)


async def large_heads(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Heads of 4 MiB."""
    writer.write(attacker.head("POST", PATH)[:-2] + b"X-Large: ")
    await _send_large(attacker, reader, writer)


async def pipelined(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Five hundred requests at once on one connection."""
    writer.write(attacker.head("GET", f"{PATH}/pi_1") * _PIPELINED)
    for _ in range(_PIPELINED):
        await attacker.answer(reader)


async def invalid(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests that are refused, as fast as refusals come."""
    body = BODY.replace("1999", "0").encode()
    while True:
        writer.write(attacker.head("POST", PATH, length=len(body), unique=True) + body)
        await attacker.answer(reader)


async def flood(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Good creates of one merchant, as fast as answers come."""
    body = BODY.encode()
    while True:
        writer.write(attacker.head("POST", PATH, length=len(body), unique=True) + body)
        await attacker.answer(reader)


async def wrong_keys(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Secrets that were never issued, behind the id of a merchant that exists; whoever was paid by it knows the id."""
    merchant = attacker.attack.bearer[:-_SECRET_LENGTH]
    while True:
        made_up = f"{merchant}{next(attacker.numbers):0{_SECRET_LENGTH}}"
        writer.write(attacker.head("GET", f"{PATH}/pi_1", bearer=made_up))
        await attacker.answer(reader)


async def metrics(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The metrics, which need no key, as fast as they come."""
    while True:
        writer.write(attacker.head("GET", "/metrics"))
        await attacker.answer(reader)


async def no_key(attacker: Attacker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Whatever else is answered without a key or refused for want of one, as fast as answers come."""
    asked = [
        ("GET", "/docs"),
        ("GET", _ASSET),
        ("PUT", PATH),
        ("GET", "/nothing"),
        ("GET", PATH),
        ("GET", "/health/ready"),
    ]
    for method, path in cycle(asked):
        writer.write(attacker.head(method, path, bearer=_NOBODY))
        await attacker.answer(reader)


async def abandoned_waits(attacker: Attacker, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An authorization whose outcome is to be waited for, by a client that goes away at once."""
    body = BODY.replace("{", '{"authorize":true,"payment_method":{"type":"card","token":"tok_ok"},', 1).encode()
    writer.write(attacker.head("POST", PATH, length=len(body), unique=True, wait_s=30) + body)
    await asyncio.sleep(_GONE_AFTER_S)


async def slow_readers(attacker: Attacker, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Large answers that are asked for and not taken."""
    writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can
    while not writer.transport.is_closing():
        writer.write(attacker.head("GET", "/openapi.json"))
        await asyncio.sleep(_DRIBBLE_S)
    raise ConnectionResetError


KINDS: Final[dict[str, Kind]] = {
    "slow heads": slow_heads,
    "slow bodies": slow_bodies,
    "idle connections": idle,
    "large bodies": large_bodies,
    "large heads": large_heads,
    "pipelining": pipelined,
    "invalid requests": invalid,
    "a merchant's flood": flood,
    "slow readers": slow_readers,
    "wrong keys": wrong_keys,
    "metrics": metrics,
    "no key": no_key,
    "abandoned waits": abandoned_waits,
}
