"""Captures: held money, or a part of it, is taken."""

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

import msgspec

from aggregates import payment_intent
from aggregates.payment_intent.commands import RequestCapture
from command_api.bodies import BodyDecoder
from command_api.intent_commands import IntentBody, command_intent
from command_api.operations import CommandServices
from command_api.payment_intents import AmountField
from schemas.routes import Answer, Call


class CaptureBody(IntentBody, frozen=True, kw_only=True):
    """What `POST …/capture` takes: nothing captures all that is left."""

    amount: AmountField | None = None
    final: (
        Annotated[
            bool,
            msgspec.Meta(description="Release the rest of the hold. Default: true without an amount, false with one."),
        ]
        | None
    ) = None


_body: Final = BodyDecoder(CaptureBody)


async def capture(services: CommandServices, call: Call) -> Answer:
    """Capture an amount, or all that is left."""
    return await command_intent(
        services,
        call,
        verb="capture",
        decoder=_body,
        new_command=_command,
        render=lambda state, _: payment_intent.resource(state),
    )


def _command(body: CaptureBody, operation_id: UUID, new_id: Callable[[], UUID]) -> RequestCapture:
    return RequestCapture(operation_id=operation_id, capture_id=new_id(), amount=body.amount, final=body.final)
