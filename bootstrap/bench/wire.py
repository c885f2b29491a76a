"""As much of HTTP/1.1 as a load generator needs: requests rendered ahead, answers cut by their stated length."""

from collections.abc import Iterator
from itertools import count
from typing import Final

import msgspec

from bootstrap.bench.load import Load
from bootstrap.local_stack.ports import LOOPBACK

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"
_SHOWN_BYTES: Final = 200


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: its status and body, and what follows it in the buffer."""

    status: int
    body: bytes
    rest: bytes


def parse_answer(data: bytes) -> Answer | None:
    """The first answer in `data`; None while it is not whole.

    Raises:
        ValueError: it is no HTTP/1.1 answer, or states no length.
    """
    head_end = data.find(_HEAD_END)
    if head_end < 0:
        return None
    head = data[:head_end].lower()
    if not head.startswith(b"http/1.1 "):
        raise ValueError(f"no HTTP/1.1 answer: {data[:_SHOWN_BYTES]!r}")
    at = head.find(_LENGTH)
    if at < 0:
        raise ValueError(f"an answer without a length: {head!r}")
    line_end = head.find(b"\r\n", at + 2)
    length = int(head[at + len(_LENGTH) : line_end if line_end >= 0 else head_end])
    start = head_end + len(_HEAD_END)
    if len(data) < start + length:
        return None
    return Answer(int(head[9:12]), data[start : start + length], data[start + length :])


class Parts(msgspec.Struct, frozen=True):
    """What all requests of a load have in common; each is start, subject, its bearer's middle, key, end."""

    start: bytes
    middles: tuple[bytes, ...]
    key: bytes
    """`Idempotency-Key` and what each of them begins with; empty where none is sent."""
    end: bytes


def parts_of(load: Load) -> Parts:
    """Render what the load's requests have in common."""
    heads = []
    for key in load.bearers:
        headers = [("Host", f"{LOOPBACK}:{load.port}"), *load.headers]
        if key:
            headers.append(("Authorization", f"Bearer {key}"))
        if load.body:
            headers.append(("Content-Length", str(len(load.body.encode()))))
        heads.append("".join(f"{name}: {value}\r\n" for name, value in headers))
    path, _, after = load.path.partition("{id}")
    return Parts(
        start=f"{load.method} {path}".encode(),
        middles=tuple(f"{after} HTTP/1.1\r\n{head}".encode() for head in heads),
        key=f"Idempotency-Key: {load.run}-".encode() if load.idempotent else b"",
        end=f"\r\n{load.body}".encode(),
    )


def rendered(load: Load) -> Iterator[bytes]:
    """The load's requests one after another; ends only where subjects do."""
    parts = parts_of(load)
    numbers = count()

    def request(bearer: int, subject: bytes) -> bytes:
        unique = b"%b%d\r\n" % (parts.key, next(numbers)) if parts.key else b""
        return b"%b%b%b%b%b" % (parts.start, subject, parts.middles[bearer], unique, parts.end)

    if "{id}" in load.path:
        for subject in load.subjects:
            yield request(subject.bearer, subject.id.encode())
        return
    while True:
        for bearer in range(len(parts.middles)):
            yield request(bearer, b"")
