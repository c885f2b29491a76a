"""Carrying out an order under its scenario: inside one transaction, so all of it is there or nothing.

`fall_due` is the other half: what time alone changes, a pending operation that settles and a hold that lapses.
"""

from collections.abc import Callable

import msgspec

from bootstrap.psp_simulator import money
from bootstrap.psp_simulator.book import Book, Operation
from bootstrap.psp_simulator.orders import Order
from bootstrap.psp_simulator.problems import ProblemError, internal_error, rate_limited, unavailable
from bootstrap.psp_simulator.replies import Delay, Delivery, Reply, identifier, of_operation, of_problem, view
from bootstrap.psp_simulator.scenarios import SCENARIOS, Answer, Behaviour, Script

# What a moment does to its operation: the book, the operation, the moment, and the time its log line gets.
Change = Callable[[Book, Operation, int, int], None]


def process(book: Book, order: Order, key: str, *, seen_before: bool, waited: bool) -> Reply | Delay:
    """Carry the order out, once, and say how to answer.

    `seen_before`: the key was used before and nothing came of it; `waited`: an earlier `Delay` was served.

    Raises:
        ProblemError: 404, 409 or 422 when the order cannot be taken, 429 or 503 where the scenario says so;
            nothing was processed then.
    """
    refuse_used_reference(book, order.reference)
    payment = None if order.payment_id is None else _payment(book, order.payment_id)
    operation = _admitted(book, order, payment, key)
    behaviour = SCENARIOS[operation.scenario][operation.kind]
    if not behaviour.processed and not (behaviour.first_time_only and seen_before):
        return _unprocessed(behaviour)
    if behaviour.delay_ms and not waited:
        return Delay(behaviour.delay_ms)
    target = operation if payment is None else payment
    money.reserve(target, operation)
    if behaviour.pending_ms:
        operation.due_ms = book.now_ms + behaviour.pending_ms
    else:
        _settle(target, operation, behaviour, book.now_ms)
    book.insert(operation)
    if payment is not None:
        book.save(payment)
    write_change(book, operation, book.now_ms)
    return _answer(operation, behaviour if behaviour.processed else Behaviour())


def refuse_used_reference(book: Book, reference: str) -> None:
    """A reference stands for one operation for ever, also for one that was reversed before it came."""
    if book.tombstoned(reference):
        raise ProblemError(409, "reference_tombstoned", "This reference was reversed before it arrived.")
    if (first := book.by_reference(reference)) is not None:
        raise ProblemError(409, "reference_in_use", "This reference was used before.", operation=view(first))


def _payment(book: Book, payment_id: str) -> Operation:
    payment = book.operation(payment_id)
    if payment is None or payment.kind != "payment":
        raise ProblemError(404, "not_found", "There is no such payment.")
    return payment


def payment_without_action(book: Book, payment_id: str, reference: str) -> ProblemError:
    """Why an action cannot be completed: no scenario asks for one, so no payment ever waits for it."""
    refuse_used_reference(book, reference)
    payment = _payment(book, payment_id)
    return ProblemError(409, "invalid_state", "The payment waits for no action.", state=payment.status)


def _admitted(book: Book, order: Order, payment: Operation | None, key: str) -> Operation:
    """The operation that the order becomes, once the payment's state and money allow it."""
    script = order.script if payment is None else Script.unpacked(payment.script)
    subject = identifier(order.kind, order.reference)
    operation = Operation(
        id=subject,
        kind=order.kind,
        payment_id=subject if payment is None else payment.id,
        reference=order.reference,
        idempotency_key=key,
        scenario=script.scenario(order.kind),
        script=script.packed(),
        amount=order.amount,
        currency=(order.currency or "") if payment is None else payment.currency,
        sale=order.sale,
        final=order.final,
        created_ms=book.now_ms,
    )
    if payment is not None:
        _refuse_impossible(book, payment, operation)
        if operation.kind == "void":
            operation.amount = payment.capturable
    return operation


def _refuse_impossible(book: Book, payment: Operation, operation: Operation) -> None:
    if operation.kind == "refund":
        if payment.status not in {"authorized", "captured"}:
            raise ProblemError(409, "invalid_state", "The payment is not captured.", state=payment.status)
        if operation.amount > payment.refundable:
            raise ProblemError(
                422, "refund_exceeds_captured", "More than is captured and not refunded.", available=payment.refundable
            )
        return
    lapsed = payment.capture_before_ms is not None and payment.capture_before_ms <= book.now_ms
    if payment.status == "expired" or (payment.status == "authorized" and lapsed):
        raise ProblemError(409, "authorization_expired", "The authorization has lapsed.")
    if payment.status != "authorized":
        raise ProblemError(409, "invalid_state", "The payment holds no money.", state=payment.status)
    if operation.kind == "void" and not payment.capturable:
        raise ProblemError(409, "invalid_state", "There is nothing left to release.", state=payment.status)
    if operation.amount > payment.capturable:
        raise ProblemError(
            422, "capture_exceeds_authorized", "More than is authorized and not released.", available=payment.capturable
        )


def _settle(payment: Operation, operation: Operation, behaviour: Behaviour, at_ms: int) -> None:
    if behaviour.decline is None:
        money.carry_out(payment, operation, at_ms)
    else:
        money.decline(payment, operation, behaviour.decline, at_ms)


def write_change(book: Book, operation: Operation, at_ms: int) -> None:
    """Tell the log what the operation has become."""
    book.write_log(
        at_ms=at_ms,
        operation=operation.kind,
        subject=operation.id,
        reference=operation.reference,
        key=operation.idempotency_key,
        amount=operation.amount,
        currency=operation.currency,
        result=operation.status,
        fee=operation.fee or 0,
    )


def _unprocessed(behaviour: Behaviour) -> Reply:
    match behaviour.answer:
        case Answer.UNAVAILABLE:
            raise unavailable()
        case Answer.RATE_LIMITED:
            raise rate_limited()
        case Answer.ERROR:
            return of_problem(internal_error())
        case _:
            return Reply(status=0, body=b"", delivery=Delivery.SILENT)


def _answer(operation: Operation, behaviour: Behaviour) -> Reply:
    reply = of_operation(operation)
    match behaviour.answer:
        case Answer.SILENT:
            return msgspec.structs.replace(reply, delivery=Delivery.SILENT)
        case Answer.RESET:
            return msgspec.structs.replace(reply, delivery=Delivery.RESET)
        case Answer.TRUNCATED:
            return msgspec.structs.replace(reply, body=reply.body[: len(reply.body) // 2])
        case Answer.WRONG_AMOUNT:
            wrong = msgspec.structs.replace(view(operation), amount=operation.amount + 1)
            return msgspec.structs.replace(reply, body=msgspec.json.encode(wrong))
        case Answer.ERROR:
            return of_problem(internal_error())
        case _:
            return reply


def fall_due(book: Book) -> None:
    """Settle what is pending and let lapse what was held, up to the book's time, in the order of their moments.

    What a settlement makes due in its turn (a hold of seven days when the clock was moved by eight) goes in a next pass.
    """
    if book.next_due_ms is None or book.next_due_ms > book.now_ms:
        return
    while True:
        moments: list[tuple[int, str, Change]] = []
        moments += [(each.due_ms or 0, each.id, _resolve) for each in book.pending_until(book.now_ms)]
        moments += [(each.capture_before_ms or 0, each.id, _lapse) for each in book.holds_lapsed_at(book.now_ms)]
        if not moments:
            break
        for moment_ms, subject, change in sorted(moments, key=lambda moment: moment[:2]):
            operation = book.operation(subject)
            assert operation is not None, "operations are never deleted one by one"
            # Numbered lines tell a story: a moment that a later pass found stands no earlier than the line before it.
            change(book, operation, moment_ms, max(moment_ms, book.log_end()[1]))
    book.look_up_next_due()


def _resolve(book: Book, operation: Operation, due_ms: int, at_ms: int) -> None:
    payment = operation if operation.kind == "payment" else book.operation(operation.payment_id)
    assert payment is not None, "a follow-up is written in the transaction that found its payment"
    _settle(payment, operation, SCENARIOS[operation.scenario][operation.kind], due_ms)
    book.save(operation)
    if payment is not operation:
        book.save(payment)
    write_change(book, operation, at_ms)


def _lapse(book: Book, payment: Operation, _due_ms: int, at_ms: int) -> None:
    amount = payment.capturable
    if not amount:  # a pending capture settled in this same pass and took the rest
        return
    payment.released += amount
    if not payment.captured and not payment.capture_pending:
        payment.status = "expired"
    book.save(payment)
    book.write_log(
        at_ms=at_ms,
        operation="payment",
        subject=payment.id,
        reference=payment.reference,
        key=payment.idempotency_key,
        amount=amount,
        currency=payment.currency,
        result="expired",
    )
