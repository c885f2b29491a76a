"""The simulator without its HTTP: keys, orders, reversals, inquiries and the clock over one durable book."""

import asyncio
import contextlib
import hashlib
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from bootstrap.psp_simulator import processing, reversals
from bootstrap.psp_simulator.book import Book, LogLine
from bootstrap.psp_simulator.clock import DAY_MS, Anchor, SimulatedClock
from bootstrap.psp_simulator.faults import Faults
from bootstrap.psp_simulator.orders import Order
from bootstrap.psp_simulator.problems import ProblemError
from bootstrap.psp_simulator.replies import Delay, Reply, of_operation
from bootstrap.psp_simulator.scenarios import SCENARIOS
from bootstrap.psp_simulator.writer import Writer

LOG = logging.getLogger(__name__)
KEY_LIFETIME_MS = DAY_MS
# How often, in real seconds, the clock is asked whether something has fallen due while nobody called.
DUE_POLL_S = 0.05

Work = Callable[[Book, bool, bool], Reply | Delay]


def request_digest(method: str, path: str, body: object) -> bytes:
    """What "the same request" means for a key: method, path and the JSON value, whatever its spacing and order."""
    canonical = msgspec.json.encode(body, order="sorted")
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), canonical))).digest()


class Simulator:
    """One PSP account. All its methods belong to the event loop that called `start`."""

    def __init__(
        self,
        path: Path,
        *,
        real_ms: Callable[[], int],
        clock_scale: float | None,
        observe_commit: Callable[[int, float], None],
    ) -> None:
        """`clock_scale` None keeps the scale of the database, 1 in a new one."""
        self._writer = Writer(path, observe_commit=observe_commit)
        self._real_ms = real_ms
        self._wanted_scale = clock_scale
        self._in_flight: set[str] = set()
        self._keys_swept_ms = 0
        self._book: Book | None = None
        self._alarm: asyncio.Task[None] | None = None
        self.faults = Faults()
        self.clock = SimulatedClock(real_ms, Anchor(real_ms(), real_ms(), 1.0))

    # Life

    async def start(self) -> None:
        """Open the book and take up the clock where it would be by now.

        Raises:
            sqlite3.Error: the database cannot be opened, or another process holds it.
        """
        await self._writer.start()
        anchor, (_, last_log_ms) = await self._writer.run(lambda book: (book.anchor(), book.log_end()))
        if anchor is not None:
            self.clock.move(anchor)
        # The machine's clock may have been turned back meanwhile; the log's time never goes back.
        behind_ms = max(0, last_log_ms - self.clock.now_ms())
        await self._move_clock(self.clock.anchored(scale=self._wanted_scale, advance_ms=behind_ms))
        self._writer.before_batch = self._before_batch
        await self._writer.run(Book.look_up_next_due)
        self._alarm = asyncio.create_task(self._watch_for_due(), name="psp-simulator-alarm")

    async def stop(self) -> None:
        """Finish what was submitted and close the book."""
        if self._alarm is not None:
            self._alarm.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._alarm
        await self._writer.stop()

    async def ready(self) -> bool:
        """Whether the book answers."""
        if not self._writer.alive:
            return False
        await self._writer.run(Book.log_end)
        return True

    def _before_batch(self, book: Book) -> None:
        """In the writer's thread: every transaction sees one moment, with all that is due by then done."""
        book.now_ms = self.clock.now_ms()
        processing.fall_due(book)
        if book.now_ms - self._keys_swept_ms > KEY_LIFETIME_MS // 24:
            book.forget_answers_until(book.now_ms - KEY_LIFETIME_MS)
            self._keys_swept_ms = book.now_ms
        self._book = book

    async def _watch_for_due(self) -> None:
        while True:
            await asyncio.sleep(DUE_POLL_S)
            # Another thread writes it; one integer is read whole.
            due_ms = None if self._book is None else self._book.next_due_ms
            if due_ms is None or due_ms > self.clock.now_ms():
                continue
            try:
                await self._writer.run(Book.log_end)
            except sqlite3.Error:
                LOG.exception("what fell due could not be written; the next look tries again")

    # The PSP

    async def order(self, order: Order, *, key: str, digest: bytes) -> Reply:
        """Take an order once per key.

        Raises:
            ProblemError: the order, its reference or its key is refused; nothing was processed.
        """
        return await self._once(
            key,
            digest,
            lambda book, seen, waited: processing.process(book, order, key, seen_before=seen, waited=waited),
        )

    async def reverse(self, reference: str, *, key: str, digest: bytes) -> Reply:
        """Undo what stands under the reference, once per key; raises ProblemError as `reversals.reverse` does."""
        return await self._once(key, digest, lambda book, _seen, _waited: reversals.reverse(book, reference, key))

    async def action_refusal(self, payment_id: str, reference: str) -> ProblemError:
        """Why no action can be completed on this payment; raises ProblemError when there is no such payment."""
        return await self._writer.run(lambda book: processing.payment_without_action(book, payment_id, reference))

    async def inquire(self, reference: str) -> Reply:
        """The operation as it is now.

        Raises:
            ProblemError: 404 when it is not known, or not to be seen yet; never a proof that it will not come.
        """

        def look_up(book: Book) -> Reply:
            operation = book.by_reference(reference)
            if operation is not None:
                hidden_ms = SCENARIOS[operation.scenario][operation.kind].hidden_ms
                if operation.created_ms + hidden_ms <= book.now_ms:
                    return msgspec.structs.replace(of_operation(operation), status=200)
            raise ProblemError(404, "not_found", "No operation is known under this reference.")

        return await self._writer.run(look_up)

    async def _once(self, key: str, digest: bytes, work: Work) -> Reply:
        if key in self._in_flight:
            raise ProblemError(409, "idempotency_key_in_flight", "A request under this key is still at work.")
        self._in_flight.add(key)
        try:
            outcome = await self._writer.run(lambda book: _kept_or_new(book, key, digest, work, waited=False))
            if isinstance(outcome, Delay):
                await self.clock.sleep(outcome.duration_ms)
                outcome = await self._writer.run(lambda book: _kept_or_new(book, key, digest, work, waited=True))
            assert isinstance(outcome, Reply), "a delay is served once"
            return outcome
        finally:
            self._in_flight.discard(key)

    # Controls

    async def move_clock(self, *, scale: float | None, advance_ms: int) -> None:
        """Run the clock at another scale and move it forward; what falls due by that is done on return."""
        await self._move_clock(self.clock.anchored(scale=scale, advance_ms=advance_ms))
        await self._writer.run(Book.log_end)

    async def _move_clock(self, anchor: Anchor) -> None:
        await self._writer.run(lambda book: book.save_anchor(anchor))
        self.clock.move(anchor)

    async def log_page(self, after: int, limit: int) -> list[LogLine]:
        """Lines with a number above `after`, at most `limit` of them."""
        return await self._writer.run(lambda book: book.read_log(after, limit))

    async def reset(self) -> None:
        """Forget everything but the clock."""
        await self._writer.run(Book.forget_everything)
        self.faults.clear()


def _kept_or_new(book: Book, key: str, digest: bytes, work: Work, *, waited: bool) -> Reply | Delay:
    kept = book.kept_answer(key)
    if kept is not None and kept.created_ms + KEY_LIFETIME_MS <= book.now_ms:
        kept = None
    if kept is not None and kept.request_sha256 != digest:
        raise ProblemError(422, "idempotency_key_reused", "This key was used for another request.")
    if kept is not None and kept.status:
        return Reply(status=kept.status, body=kept.body, replayed=True)
    outcome = work(book, kept is not None, waited)
    if isinstance(outcome, Reply):
        # Also when nothing is to be answered (status 0): the key is then known to have been seen.
        book.keep_answer(key, digest, outcome.status, outcome.body)
    return outcome
