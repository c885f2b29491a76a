"""Cancellations: what is not captured is released."""

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent.commands import RequestCancellation
from command_api.bodies import BodyDecoder
from command_api.intent_commands import IntentBody, command_intent
from command_api.operations import CommandServices
from schemas.routes import Answer, Call

_DEFAULT_REASON: Final = "requested_by_merchant"


class CancelBody(IntentBody, frozen=True, kw_only=True):
    """What `POST …/cancel` takes."""

    reason: (
        Annotated[
            str,
            msgspec.Meta(min_length=1, max_length=200, description="Not for personal data: it is kept in clear."),
        ]
        | None
    ) = None


_body: Final = BodyDecoder(CancelBody)


async def cancel(services: CommandServices, call: Call) -> Answer:
    """Release all of the intent that is not captured."""
    return await command_intent(
        services,
        call,
        verb="cancel",
        decoder=_body,
        new_command=_command,
        render=lambda state, _: payment_intent.resource(state),
    )


def _command(body: CancelBody, operation_id: UUID, _new_id: Callable[[], UUID]) -> RequestCancellation:
    return RequestCancellation(operation_id=operation_id, reason=body.reason or _DEFAULT_REASON)
