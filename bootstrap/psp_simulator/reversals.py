"""Undoing an operation by its reference, and burying a reference that never arrived."""

import msgspec

from bootstrap.psp_simulator import money
from bootstrap.psp_simulator.book import Book
from bootstrap.psp_simulator.clock import rfc3339
from bootstrap.psp_simulator.problems import internal_error
from bootstrap.psp_simulator.replies import Reply, ReversalView, identifier
from bootstrap.psp_simulator.scenarios import SCENARIOS


def reverse(book: Book, reference: str, key: str) -> Reply:
    """Void or refund what stands under the reference; an unknown one is tombstoned, so that it can never arrive.

    Whatever the status of the answer, the operation stands for nothing afterwards. A change writes one line to the log.

    Raises:
        ProblemError: 409 `invalid_state` when later operations rest on it; 500 under `unknown_forever`.
    """
    target = book.by_reference(reference)
    undone = money.Undone("not_needed")
    status = "tombstoned"
    changed = False
    if target is not None:
        if not SCENARIOS[target.scenario][target.kind].reversible:
            raise internal_error()
        payment = target if target.kind == "payment" else book.operation(target.payment_id)
        assert payment is not None, "a follow-up is written in the transaction that found its payment"
        undone = money.undo(payment, target)
        status, changed = undone.result, undone.result != "not_needed"
        book.save(target)
        if payment is not target:
            book.save(payment)
    elif not book.tombstoned(reference):
        book.bury(reference)
        changed = True
    currency = None if target is None else target.currency
    subject = identifier("reversal", reference)
    if changed:
        book.write_log(
            at_ms=book.now_ms,
            operation="reversal",
            subject=subject,
            reference=reference,
            key=key,
            amount=undone.amount,
            currency=currency,
            result=status,
            fee=undone.fee,
        )
    answer = ReversalView(
        id=subject,
        reference=reference,
        status=status,
        target=None if target is None else target.kind,
        amount=undone.amount,
        currency=currency,
        fee=undone.fee,
        processed_at=rfc3339(book.now_ms),
    )
    return Reply(status=200, body=msgspec.json.encode(answer))
