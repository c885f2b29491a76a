"""The PSP simulator without time, network or process: its own books in memory, and only what is delivered arrives."""

import sqlite3
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from bootstrap.psp_simulator import orders
from bootstrap.psp_simulator.book import SCHEMA, Book
from bootstrap.psp_simulator.problems import ProblemError
from bootstrap.psp_simulator.processing import fall_due, process
from bootstrap.psp_simulator.replies import Reply, of_operation
from bootstrap.psp_simulator.reversals import reverse
from processors.psp.provider import NotProcessed, Unknown
from processors.psp.simulator import SimulatorPsp, _Reply
from tests.aggregates.commands import T0


class VirtualClock:
    def __init__(self) -> None:
        self.at_ms = T0

    def now_ms(self) -> int:
        return self.at_ms


class Asked(msgspec.Struct, frozen=True):
    """A message to the PSP, at which a worker stops; it goes on with what it is told came of it."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    key: str | None

    def __await__(self) -> Generator["Asked", Any, Any]:
        return (yield self)


class VirtualPsp(SimulatorPsp):
    """The simulator's adapter over its own books, in this process; nothing arrives that is not `deliver`ed."""

    def __init__(self, clock: VirtualClock) -> None:  # no connection is opened
        self._clock = clock
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(SCHEMA)
        self._book = Book(connection)
        self._kept: dict[str, _Reply] = {}

    async def _call(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, key: str | None = None
    ) -> _Reply | NotProcessed | Unknown:
        reply: _Reply | NotProcessed | Unknown = await Asked(method, path, body, key)
        return reply

    def deliver(self, asked: Asked) -> _Reply:
        """The PSP hears a message, and this is what it answers."""
        self._book.now_ms = self._clock.at_ms
        fall_due(self._book)
        if asked.key in self._kept:
            return self._kept[asked.key]
        try:
            reply = self._answer(asked)
        except ProblemError as problem:
            return _Reply(problem.status, problem.body(), problem.headers.get("Retry-After"))
        answer = _Reply(reply.status, reply.body, None)
        if asked.key is not None:
            self._kept[asked.key] = answer
        return answer

    def _answer(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            operation = self._book.by_reference(asked.path.partition("reference=")[2])
            if operation is None:
                raise ProblemError(404, "not_found", "unknown")
            return msgspec.structs.replace(of_operation(operation), status=200)
        assert asked.key is not None
        if asked.path == "/v1/reversals":
            return reverse(self._book, orders.reference_alone(asked.body), asked.key)
        _, _, payment, kind = (*asked.path.split("/")[1:], "", "")[:4]
        match kind:
            case "captures":
                order = orders.capture_order(payment, asked.body)
            case "refunds":
                order = orders.refund_order(payment, asked.body)
            case "voids":
                order = orders.void_order(payment, asked.body)
            case _:
                order = orders.payment_order(asked.body)
        reply = process(self._book, order, asked.key, seen_before=False, waited=True)
        assert isinstance(reply, Reply)
        return reply

    def log(self) -> list[dict[str, Any]]:
        self._book.now_ms = self._clock.at_ms
        fall_due(self._book)
        return [msgspec.to_builtins(line) for line in self._book.read_log(0, 100_000)]
