"""The load generator: keep-alive HTTP/1.1 connections driven from raw sockets, in a process of its own.

`python -m bootstrap.bench.generator LOAD.json RESULT.json`. It parses no more of an answer than its status and its
length, so that it costs a fraction of what it measures; how much of a core it used stands in its result.
"""

import asyncio
import gc
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
import uvloop

from bootstrap.bench.figures import percentile
from bootstrap.bench.load import Load, LoadResult
from bootstrap.bench.wire import Answer, parse_answer, rendered
from bootstrap.local_stack.ports import LOOPBACK

_TICK_S: Final = 0.001
_SUCCESS: Final = range(200, 300)
_ANSWERED_WITHIN_S: Final = 20.0
_SHOWN_BYTES: Final = 500


class Tally:
    """What is counted, and between which moments of the monotonic clock."""

    def __init__(self) -> None:
        self.counts_from = 0.0
        self.counts_until = float("inf")
        self.last_at = 0.0
        self.latencies: list[float] = []
        self.refused: Counter[int] = Counter()
        self.first_refusal = b""

    def note(self, answer: Answer, since: float, now: float) -> None:
        """Count one answer to a request that was due at `since`."""
        if answer.status not in _SUCCESS:
            self.refused[answer.status] += 1
            self.first_refusal = self.first_refusal or answer.body[:_SHOWN_BYTES]
            return
        if self.counts_from <= now < self.counts_until:
            self.latencies.append(now - since)
            self.last_at = now


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        self._transport: Any = None
        self._buffer = b""
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: bytes, since: float) -> None:
        """Send a request that was due at `since`."""
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            answer = parse_answer(self._buffer + data if self._buffer else data)
        except ValueError as error:
            self._driver.fail(error)
            return
        if answer is None:
            self._buffer += data
            return
        self._buffer = answer.rest
        now = time.perf_counter()
        self._driver.tally.note(answer, self._since, now)
        self._driver.free(self, now)

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.lost(exc)

    def close(self) -> None:
        self._transport.close()


class Driver:
    """Hands requests to connections: the next at once (closed loop), or as they fall due (paced)."""

    def __init__(self, load: Load) -> None:
        self.tally = Tally()
        self._load = load
        self._requests = rendered(load)
        self._connections: list[Connection] = []
        self._idle: deque[Connection] = deque()
        self._due: deque[float] = deque()
        self._sending = True
        self._ran_out = False
        self._closing = False
        self._under_way = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def lost(self, error: Exception | None) -> None:
        if not self._closing:
            self.fail(ConnectionError(f"the server closed a connection: {error}"))

    def free(self, connection: Connection, now: float) -> None:
        """A connection has its answer; give it the next request if one is due."""
        self._under_way -= 1
        if now >= self.tally.counts_until:
            # A timer may come late; nothing is sent that could not count.
            self._sending = False
        if self._load.rate is None:
            self._dispatch(connection, now)
        elif self._due and self._sending:
            self._dispatch(connection, self._due.popleft())
        else:
            self._idle.append(connection)
        if self._under_way == 0 and not self._sending and not self._done.done():
            self._done.set_result(None)

    def _dispatch(self, connection: Connection, since: float) -> None:
        if not self._sending:
            return
        request = next(self._requests, None)
        if request is None:
            self._sending, self._ran_out = False, True
            return
        self._under_way += 1
        connection.send(request, since)

    async def run(self) -> LoadResult:
        """Drive the load to its end; what came of it."""
        loop = asyncio.get_running_loop()
        for _ in range(self._load.connections):
            _, connection = await loop.create_connection(lambda: Connection(self), LOOPBACK, self._load.port)
            self._connections.append(connection)
        began = time.perf_counter()
        self.tally.counts_from = began + self._load.warm_up_s
        self.tally.counts_until = self.tally.counts_from + self._load.seconds
        cpu = CpuSince()
        loop.call_later(self._load.warm_up_s, cpu.restart)
        loop.call_later(self._load.warm_up_s + self._load.seconds, self._stop, cpu)
        if self._load.rate is None:
            for connection in self._connections:
                self._dispatch(connection, time.perf_counter())
        else:
            self._idle.extend(self._connections)
            self._pace(began, 0)
        async with asyncio.timeout(self._load.warm_up_s + self._load.seconds + _ANSWERED_WITHIN_S):
            await self._done
        self._closing = True
        for connection in self._connections:
            connection.close()
        return self._result(cpu.share())

    def _stop(self, cpu: "CpuSince") -> None:
        cpu.stop()
        self._sending = False
        if self._under_way == 0 and not self._done.done():
            self._done.set_result(None)

    def _pace(self, began: float, sent: int) -> None:
        """Let fall due what is due by now, the first request at once, and come again."""
        if not self._sending:
            return
        assert self._load.rate is not None
        due = 1 + int((time.perf_counter() - began) * self._load.rate)
        for number in range(sent, due):
            since = began + number / self._load.rate
            if self._idle:
                self._dispatch(self._idle.popleft(), since)
            else:
                self._due.append(since)
        asyncio.get_running_loop().call_later(_TICK_S, self._pace, began, due)

    def _result(self, cpu_share: float) -> LoadResult:
        tally = self.tally
        ascending = sorted(tally.latencies) or [0.0]
        # Only a load whose subjects ran out ends before its time.
        end = tally.last_at if self._ran_out else tally.counts_until
        return LoadResult(
            answers=len(tally.latencies),
            elapsed_s=max(end - tally.counts_from, sys.float_info.epsilon),
            p50_ms=percentile(ascending, 50) * 1000,
            p99_ms=percentile(ascending, 99) * 1000,
            generator_cpu=cpu_share,
            refused=dict(tally.refused),
            first_refusal=tally.first_refusal.decode(errors="replace"),
        )


class CpuSince:
    """The share of one core that this process uses between two moments."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._stopped: float | None = None
        self.restart()

    def restart(self) -> None:
        self._from, self._used = time.perf_counter(), self._seconds()

    def stop(self) -> None:
        self._stopped = self.share()

    def share(self) -> float:
        if self._stopped is not None:
            return self._stopped
        return (self._seconds() - self._used) / max(time.perf_counter() - self._from, sys.float_info.epsilon)

    def _seconds(self) -> float:
        used = self._process.cpu_times()
        return used.user + used.system


async def drive(load: Load) -> LoadResult:
    """Drive one load in this process."""
    return await Driver(load).run()


def main() -> None:
    """Read the load, drive it, write what came of it."""
    asked, answered = Path(sys.argv[1]), Path(sys.argv[2])
    load = msgspec.json.decode(asked.read_bytes(), type=Load)
    gc.freeze()
    gc.disable()
    answered.write_bytes(msgspec.json.encode(uvloop.run(drive(load))))


if __name__ == "__main__":
    main()
