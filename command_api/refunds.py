"""Refunds: captured money goes back."""

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent import PaymentIntent
from aggregates.payment_intent.commands import RequestRefund
from command_api.bodies import BodyDecoder
from command_api.intent_commands import IntentBody, command_intent
from command_api.operations import CommandServices
from command_api.payment_intents import AmountField
from schemas.resources import RefundResource
from schemas.routes import Answer, Call


class RefundBody(IntentBody, frozen=True, kw_only=True):
    """What `POST …/refund` takes: nothing refunds all that is left."""

    amount: AmountField | None = None
    reason: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                max_length=200,
                description="Not for personal data: it is kept in clear.",
                examples=["customer_request"],
            ),
        ]
        | None
    ) = None


_body: Final = BodyDecoder(RefundBody)


async def refund(services: CommandServices, call: Call) -> Answer:
    """Refund an amount, or all that is left; the answer is the refund."""
    return await command_intent(services, call, verb="refund", decoder=_body, new_command=_command, render=_render)


def _command(body: RefundBody, operation_id: UUID, new_id: Callable[[], UUID]) -> RequestRefund:
    return RequestRefund(operation_id=operation_id, refund_id=new_id(), amount=body.amount, reason=body.reason)


def _render(state: PaymentIntent, operation_id: UUID) -> RefundResource:
    refund_id = payment_intent.refund_of_operation(state, operation_id)
    assert refund_id is not None, "the operation of a refund has a refund"
    return payment_intent.refund_resource(state, refund_id)
