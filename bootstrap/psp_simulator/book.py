"""The simulator's records in SQLite: operations, kept answers, tombstones, the clock's anchor, and the log.

A `Book` lives in the writer's thread; its statements run inside the transaction that the writer has open.
"""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

import msgspec

from bootstrap.psp_simulator.clock import Anchor, rfc3339
from bootstrap.psp_simulator.scenarios import Kind

SCHEMA = files("bootstrap.psp_simulator").joinpath("schema.sql").read_text(encoding="utf-8")


class Operation(msgspec.Struct, kw_only=True):
    """One payment, capture, refund or void; the fields stand in the order of the table's columns.

    On a payment the last seven are its money: what is authorized, and how much of that is captured, let go and
    refunded, each with what a pending operation has laid its hand on.
    """

    id: str
    kind: Kind
    payment_id: str
    reference: str
    idempotency_key: str
    scenario: str
    script: str
    amount: int
    currency: str
    sale: bool = False
    final: bool = False
    created_ms: int
    status: str = "pending"
    fee: int | None = None
    decline: str | None = None
    processed_ms: int | None = None
    due_ms: int | None = None
    capture_before_ms: int | None = None
    authorized: int = 0
    captured: int = 0
    capture_pending: int = 0
    released: int = 0
    release_pending: int = 0
    refunded: int = 0
    refund_pending: int = 0

    @property
    def capturable(self) -> int:
        return self.authorized - self.captured - self.capture_pending - self.released - self.release_pending

    @property
    def refundable(self) -> int:
        return self.captured - self.refunded - self.refund_pending


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A change of state, as `/sim/log` tells it; `fee` is negative where a reversal gives it back."""

    seq: int
    at: str
    operation: str
    id: str
    reference: str
    idempotency_key: str
    amount: int
    currency: str | None
    result: str
    fee: int


class KeptAnswer(msgspec.Struct, frozen=True):
    """What a key was answered with; status 0: the key was seen, and nothing was answered."""

    request_sha256: bytes
    status: int
    body: bytes
    created_ms: int


_COLUMNS = Operation.__struct_fields__
_MOVING = _COLUMNS[_COLUMNS.index("status") :]
_INSERT = f"INSERT INTO operations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own column names
_UPDATE = f"UPDATE operations SET {', '.join(f'{column} = ?' for column in _MOVING)} WHERE id = ?"  # noqa: S608 - our own column names
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM operations"  # noqa: S608 - our own column names
_OPEN_HOLD = (
    "kind = 'payment' AND status = 'authorized' "
    "AND authorized > captured + capture_pending + released + release_pending"
)

_NEXT_DUE = f"""
    SELECT min(moment_ms) FROM (
      SELECT min(due_ms) AS moment_ms FROM operations WHERE due_ms IS NOT NULL
      UNION ALL SELECT min(capture_before_ms) FROM operations WHERE {_OPEN_HOLD})
"""  # noqa: S608 - our own condition


class Book:
    """Reads and writes the records; `now_ms` is the simulated time of the open transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self.now_ms = 0
        # No later than the next moment at which something falls due by itself; None when nothing does.
        self.next_due_ms: int | None = None

    # Operations

    def operation(self, operation_id: str) -> Operation | None:
        return next(self._operations("WHERE id = ?", operation_id), None)

    def by_reference(self, reference: str) -> Operation | None:
        return next(self._operations("WHERE reference = ?", reference), None)

    def pending_until(self, at_ms: int) -> list[Operation]:
        return list(self._operations("WHERE due_ms <= ? ORDER BY due_ms, rowid", at_ms))

    def holds_lapsed_at(self, at_ms: int) -> list[Operation]:
        clause = f"WHERE {_OPEN_HOLD} AND capture_before_ms <= ? ORDER BY capture_before_ms, rowid"
        return list(self._operations(clause, at_ms))

    def _operations(self, clause: str, value: str | int) -> Iterator[Operation]:
        for row in self._run(f"{_SELECT} {clause}", (value,)):
            operation = Operation(**dict(zip(_COLUMNS, row, strict=True)))
            operation.sale, operation.final = bool(operation.sale), bool(operation.final)
            yield operation

    def insert(self, operation: Operation) -> None:
        self._run(_INSERT, msgspec.structs.astuple(operation))
        self._expect(operation)

    def save(self, operation: Operation) -> None:
        self._run(_UPDATE, (*(getattr(operation, column) for column in _MOVING), operation.id))
        self._expect(operation)

    def _expect(self, operation: Operation) -> None:
        for due_ms in (operation.due_ms, operation.capture_before_ms):
            if due_ms is not None and (self.next_due_ms is None or due_ms < self.next_due_ms):
                self.next_due_ms = due_ms

    def look_up_next_due(self) -> None:
        """Find out anew when something falls due by itself."""
        self.next_due_ms = self._run(_NEXT_DUE).fetchone()[0]

    # Reversals of what never arrived

    def tombstoned(self, reference: str) -> bool:
        return self._run("SELECT 1 FROM tombstones WHERE reference = ?", (reference,)).fetchone() is not None

    def bury(self, reference: str) -> None:
        self._run("INSERT INTO tombstones VALUES (?, ?)", (reference, self.now_ms))

    # Idempotency keys

    def kept_answer(self, key: str) -> KeptAnswer | None:
        statement = "SELECT request_sha256, status, body, created_ms FROM keys WHERE idempotency_key = ?"
        row = self._run(statement, (key,)).fetchone()
        return None if row is None else KeptAnswer(*row)

    def keep_answer(self, key: str, request_sha256: bytes, status: int, body: bytes) -> None:
        self._run(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", (key, request_sha256, status, body, self.now_ms)
        )

    def forget_answers_until(self, at_ms: int) -> None:
        self._run("DELETE FROM keys WHERE created_ms <= ?", (at_ms,))

    # The log

    def write_log(
        self,
        *,
        at_ms: int,
        operation: str,
        subject: str,
        reference: str,
        key: str,
        amount: int,
        currency: str | None,
        result: str,
        fee: int = 0,
    ) -> None:
        """Add a line; SQLite numbers it one above the last, so numbers are dense: lines go only all together."""
        self._run(
            "INSERT INTO log VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (at_ms, operation, subject, reference, key, amount, currency, result, fee),
        )

    def read_log(self, after: int, limit: int) -> list[LogLine]:
        return [
            LogLine(
                seq=seq,
                at=rfc3339(at_ms),
                operation=operation,
                id=subject,
                reference=reference,
                idempotency_key=key,
                amount=amount,
                currency=currency,
                result=result,
                fee=fee,
            )
            for seq, at_ms, operation, subject, reference, key, amount, currency, result, fee in self._run(
                "SELECT * FROM log WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            )
        ]

    def log_end(self) -> tuple[int, int]:
        """Number and time of the last line; zeros when there is none."""
        row = self._run("SELECT seq, at_ms FROM log ORDER BY seq DESC LIMIT 1").fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    # The clock, and beginning anew

    def anchor(self) -> Anchor | None:
        row = self._run("SELECT real_ms, simulated_ms, scale FROM clock").fetchone()
        return None if row is None else Anchor(*row)

    def save_anchor(self, anchor: Anchor) -> None:
        self._run(
            "INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)", (anchor.real_ms, anchor.simulated_ms, anchor.scale)
        )

    def forget_everything(self) -> None:
        """Empty all but the clock."""
        for table in ("operations", "keys", "tombstones", "log"):
            self._run(f"DELETE FROM {table}")  # noqa: S608 - the names stand one line above
        self.next_due_ms = None
