"""Authorizations: the payer's money is held, or taken at once where the intent captures automatically."""

from collections.abc import Callable
from typing import Final, Literal
from uuid import UUID

from aggregates import payment_intent
from aggregates.payment_intent.commands import RequestAuthorization
from command_api.bodies import BodyDecoder
from command_api.intent_commands import IntentBody, command_intent
from command_api.operations import CommandServices
from command_api.payment_methods import PaymentMethodBody, payment_method_of
from schemas.routes import Answer, Call


class AuthorizeBody(IntentBody, frozen=True, kw_only=True):
    """What `POST …/authorize` takes; `initiator` says whether the payer (cit) or the merchant (mit) began it."""

    payment_method: PaymentMethodBody
    initiator: Literal["cit", "mit"] = "cit"


_body: Final = BodyDecoder(AuthorizeBody)


async def authorize(services: CommandServices, call: Call) -> Answer:
    """Authorize a payment intent that was created, or declined before."""
    return await command_intent(
        services,
        call,
        verb="authorize",
        decoder=_body,
        new_command=_command,
        render=lambda state, _: payment_intent.resource(state),
    )


def _command(body: AuthorizeBody, operation_id: UUID, new_id: Callable[[], UUID]) -> RequestAuthorization:
    return RequestAuthorization(
        operation_id=operation_id,
        capture_id=new_id(),
        payment_method=payment_method_of(body.payment_method),
        initiator=body.initiator,
    )
