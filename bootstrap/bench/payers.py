"""The payers: keep-alive connections that each carry one payment after another to its end, in a process of their own.

`python -m bootstrap.bench.payers LOAD.json RESULT.json`. An answer that is not final yet is asked for again under its
idempotency key, as a merchant's server would.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bootstrap.bench.figures import percentile
from bootstrap.bench.generator import CpuSince
from bootstrap.bench.payments_load import PaymentsLoad, PaymentsResult
from bootstrap.bench.wire import Answer, parse_answer
from bootstrap.local_stack.ports import LOOPBACK

_ACCEPTED: Final = 202
_FINAL: Final = (200, 201)
_ANSWERED_WITHIN_S: Final = 60.0


class Refused(Exception):
    """An answer that no payer counts on."""


class Intent(msgspec.Struct):
    """What a payer reads of an answer."""

    id: str
    status: str


_decode: Final = msgspec.json.Decoder(Intent).decode


class Requests:
    """Renders the two requests of a payment."""

    def __init__(self, load: PaymentsLoad) -> None:
        self._load = load
        self._create = (
            f'{{"amount":{load.amount},"currency":"EUR","capture_method":"manual","reference":"order-2026-000017",'
            '"authorize":true,"payment_method":{"type":"card","token":"tok_ok"}}'
        )

    def create(self, number: int) -> bytes:
        """Payment `number`'s first request."""
        return self._post(number, "/v1/payment_intents", "create", self._create)

    def capture(self, number: int, intent_id: str) -> bytes:
        """Its second one."""
        return self._post(number, f"/v1/payment_intents/{intent_id}/capture", "capture", "{}")

    def _post(self, number: int, path: str, step: str, body: str) -> bytes:
        load = self._load
        return (
            f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}:{load.port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {load.bearers[number % len(load.bearers)]}\r\nPrefer: wait=30\r\n"
            f"Idempotency-Key: {load.run}-{number}-{step}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


class Payer(asyncio.Protocol):
    """One connection with one payment under way; `ended` is done when it begins no more, or with what went wrong."""

    def __init__(self, requests: Requests, numbers: Iterator[int], captured: list[tuple[float, float, str]]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopping = False
        self._requests = requests
        self._numbers = numbers
        self._captured = captured
        self._transport: Any = None
        self._buffer = b""
        self._number = 0
        self._began_s = 0.0
        self._request = b""
        self._capturing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(ConnectionError(f"the server closed a connection: {exc}"))

    def close(self) -> None:
        self._transport.close()

    def begin(self) -> None:
        """Begin the next payment, unless told to stop."""
        if self.stopping:
            self.ended.set_result(None)
            return
        self._number, self._capturing, self._began_s = next(self._numbers), False, time.monotonic()
        self._send(self._requests.create(self._number))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            answer = parse_answer(self._buffer)
            if answer is not None:
                self._buffer = answer.rest
                self._take(answer)
        except (ValueError, Refused, msgspec.DecodeError) as error:
            if not self.ended.done():
                self.ended.set_exception(error)

    def _take(self, answer: Answer) -> None:
        if answer.status == _ACCEPTED:
            self._send(self._request)
            return
        if answer.status not in _FINAL:
            raise Refused(f"{answer.status}: {answer.body[:500].decode(errors='replace')}")
        intent = _decode(answer.body)
        if intent.status != ("captured" if self._capturing else "authorized"):
            raise Refused(f"{intent.id} is {intent.status}")
        if self._capturing:
            self._captured.append((self._began_s, time.monotonic(), intent.id))
            self.begin()
            return
        self._capturing = True
        self._send(self._requests.capture(self._number, intent.id))

    def _send(self, request: bytes) -> None:
        self._request = request
        self._transport.write(request)


async def drive(load: PaymentsLoad) -> PaymentsResult:
    """Drive one load in this process.

    Raises:
        Refused: an answer was no success, or told of another status than the payment should have.
        ConnectionError, TimeoutError: the server went away, or did not answer.
    """
    loop = asyncio.get_running_loop()
    captured: list[tuple[float, float, str]] = []
    requests, numbers = Requests(load), count()
    payers = []
    for _ in range(load.connections):
        _, payer = await loop.create_connection(lambda: Payer(requests, numbers, captured), LOOPBACK, load.port)
        payers.append(payer)
    for payer in payers:
        payer.begin()
    ending = asyncio.gather(*(payer.ended for payer in payers))
    began_s = time.monotonic() + load.warm_up_s
    cpu = CpuSince()
    loop.call_later(load.warm_up_s, cpu.restart)
    await asyncio.wait([ending], timeout=load.warm_up_s + load.seconds)
    cpu.stop()
    ended_s = time.monotonic()
    for payer in payers:
        payer.stopping = True
    try:
        async with asyncio.timeout(_ANSWERED_WITHIN_S):
            await ending
    finally:
        for payer in payers:
            payer.close()
    latencies = sorted(end - begin for begin, end, _ in captured if began_s <= end < ended_s) or [0.0]
    return PaymentsResult(
        captured=tuple(intent_id for _, _, intent_id in captured),
        payments=sum(began_s <= end < ended_s for _, end, _ in captured),
        began_s=began_s,
        ended_s=ended_s,
        last_s=max((end for _, end, _ in captured), default=ended_s),
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
        generator_cpu=cpu.share(),
    )


def main() -> None:
    """Read the load, drive it, write what came of it."""
    asked, answered = Path(sys.argv[1]), Path(sys.argv[2])
    load = msgspec.json.decode(asked.read_bytes(), type=PaymentsLoad)
    gc.freeze()
    gc.disable()
    answered.write_bytes(msgspec.json.encode(uvloop.run(drive(load))))


if __name__ == "__main__":
    main()
