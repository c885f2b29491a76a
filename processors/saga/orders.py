"""What a PSP is asked for, built from the log alone, so that every repeat of an attempt sends the same. Pure."""

import hashlib
from uuid import UUID

from aggregates.payment_intent import PaymentIntent
from aggregates.payment_intent.commands import StartAttempt
from aggregates.payment_intent.state import Attempt, LateSuccess, Operation
from processors.psp.amounts import PspAmount, to_psp
from processors.psp.provider import (
    Asked,
    AuthorizeOrder,
    CaptureOrder,
    Inquiry,
    RefundOrder,
    ReversalOrder,
    VoidOrder,
)
from processors.psp.routing import route_for
from processors.saga.decisions import FIRST_ATTEMPT
from processors.saga.steps import ClaimedStep
from schemas.canonical import canonical_json
from schemas.identifiers import Prefix, public_id

Order = AuthorizeOrder | CaptureOrder | RefundOrder | VoidOrder | ReversalOrder


class AttemptIncomplete(Exception):
    """The log does not hold what this call needs, such as the PSP's id of the payment."""


def start_of(step: ClaimedStep, state: PaymentIntent) -> StartAttempt | None:
    """The command that begins the step's attempt; null when there is nothing left to call a PSP for.

    Raises:
        AmountNotRepresentable, PaymentMethodNotSupported: no PSP takes this payment.
        AttemptIncomplete: the operation has no authorization to follow.
    """
    operation = state.operations.get(step.operation_id)
    if operation is None:
        raise AttemptIncomplete(f"the stream has no operation {step.operation_id}")
    if step.target is not None:
        return _start_undoing(step, state, state.late_successes[step.target])
    if operation.ended_version is not None:
        return None
    if operation.kind == "authorize":
        assert operation.payment_method is not None, "an authorization names its payment method"
        route = route_for(operation.payment_method.type, state.currency, livemode=state.livemode)
        psp, account, reason = route.psp, route.account, route.reason
    else:
        psp, account, _ = _money(state)
        reason = "follows_authorization"
    amount = to_psp(psp, operation.amount, state.currency)
    reference = public_id(Prefix.ATTEMPT, step.subject)
    order = _order(state, operation, amount, reference, reference)
    return StartAttempt(
        attempt_id=step.subject,
        operation_id=operation.id,
        operation=operation.kind,
        psp=psp,
        psp_account=account,
        psp_idempotency_key=reference,
        our_reference=reference,
        psp_amount=amount.amount,
        psp_exponent=amount.exponent,
        attempt_no=FIRST_ATTEMPT,
        route_reason=reason,
        request_sha256=_sha256(order),
    )


def order_of(state: PaymentIntent, attempt: Attempt) -> Order:
    """The order of an attempt that the log knows, under the idempotency key it was begun with.

    Raises:
        AttemptIncomplete: the PSP never named the payment that this operation is about.
    """
    if attempt.operation == "reversal":
        assert attempt.reverses is not None, "a reversal names what it undoes"
        target = state.late_successes[attempt.reverses]
        return ReversalOrder(reference=target.our_reference, idempotency_key=attempt.psp_idempotency_key)
    operation = state.operations[attempt.operation_id]
    amount = PspAmount(attempt.psp_amount, attempt.psp_exponent)
    return _order(state, operation, amount, attempt.our_reference, attempt.psp_idempotency_key)


def inquiry_of(state: PaymentIntent, attempt: Attempt) -> Inquiry:
    """The question what became of an attempt."""
    asked: Asked
    match attempt.operation:
        case "reversal":
            raise AttemptIncomplete("a reversal has no reference of its own to ask by")
        case _ as asked:
            pass
    return Inquiry(
        reference=attempt.our_reference,
        operation=asked,
        sale=state.operations[attempt.operation_id].sale,
        amount=attempt.psp_amount,
        currency=state.currency,
    )


def reversal_of(attempt: Attempt) -> ReversalOrder:
    """The order that ends an attempt about which nothing can be found out; its key is its own and never changes."""
    return ReversalOrder(reference=attempt.our_reference, idempotency_key=f"{attempt.psp_idempotency_key}-reversal")


def _start_undoing(step: ClaimedStep, state: PaymentIntent, late: LateSuccess) -> StartAttempt | None:
    if late.reversed:
        return None
    reference = public_id(Prefix.ATTEMPT, step.subject)
    amount = to_psp(late.psp, late.amount, state.currency)
    return StartAttempt(
        attempt_id=step.subject,
        operation_id=step.operation_id,
        operation="reversal",
        psp=late.psp,
        psp_account=late.psp_account,
        psp_idempotency_key=reference,
        # A reversal is known at the PSP by what it undoes.
        our_reference=late.our_reference,
        psp_amount=amount.amount,
        psp_exponent=amount.exponent,
        attempt_no=FIRST_ATTEMPT,
        route_reason="follows_authorization",
        request_sha256=_sha256(ReversalOrder(reference=late.our_reference, idempotency_key=reference)),
    )


def _order(
    state: PaymentIntent, operation: Operation, amount: PspAmount, reference: str, key: str
) -> AuthorizeOrder | CaptureOrder | RefundOrder | VoidOrder:
    currency = state.currency
    match operation.kind:
        case "authorize":
            assert operation.payment_method is not None, "an authorization names its payment method"
            return AuthorizeOrder(
                reference=reference,
                idempotency_key=key,
                amount=amount.amount,
                currency=currency,
                sale=operation.sale,
                payment_method=operation.payment_method,
                return_url=state.return_url,
            )
        case "capture":
            return CaptureOrder(
                reference=reference,
                idempotency_key=key,
                payment=_money(state)[2],
                amount=amount.amount,
                currency=currency,
                final=_capture_is_final(state, operation.capture_id),
            )
        case "refund":
            return RefundOrder(
                reference=reference,
                idempotency_key=key,
                payment=_money(state)[2],
                amount=amount.amount,
                currency=currency,
            )
        case "void":
            return VoidOrder(
                reference=reference,
                idempotency_key=key,
                payment=_money(state)[2],
                amount=amount.amount,
                currency=currency,
            )
        case "reversal":
            raise AttemptIncomplete("a merchant asks for no reversal")


def _money(state: PaymentIntent) -> tuple[str, str, str]:
    """PSP, account and the PSP's id of the payment that all later operations are about."""
    authorization = state.authorization
    if authorization is None or authorization.psp_reference is None:
        raise AttemptIncomplete("there is no authorization that the PSP gave an id for")
    return authorization.psp, authorization.psp_account, authorization.psp_reference


def _capture_is_final(state: PaymentIntent, capture_id: UUID | None) -> bool:
    assert capture_id is not None, "a capture has an id"
    return state.captures[capture_id].final


def _sha256(order: Order) -> str:
    return hashlib.sha256(canonical_json(order)).hexdigest()
