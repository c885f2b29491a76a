"""What the commands on an existing payment intent share: from the body in the request to the operation."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from aggregates.payment_intent import Command
from command_api.bodies import Body, BodyDecoder
from command_api.operations import (
    CommandServices,
    Operation,
    Render,
    carry_out,
    expected_version,
    identity_of,
    intent_path,
)
from command_api.ownership import MerchantIdField, intent_id_of, require_merchant
from schemas.identifiers import shard_of
from schemas.routes import Answer, Call


class IntentBody(Body, frozen=True, kw_only=True):
    """What the body of every command on an intent may name."""

    merchant_id: MerchantIdField | None = None


BodyType = TypeVar("BodyType", bound=IntentBody)
NewCommand = Callable[[BodyType, UUID, Callable[[], UUID]], Command]
"""Builds the command from a body, the operation's id, and a factory of further ids in the intent's shard."""


async def command_intent(
    services: CommandServices,
    call: Call,
    *,
    verb: str,
    decoder: BodyDecoder[Any],
    new_command: NewCommand[Any],
    render: Render,
) -> Answer:
    """Carry out the command `verb` on the intent in the path.

    Raises:
        NotFound: there is no such intent, or it is another merchant's.
        Rejected: whatever else is wrong with the request or refused by the aggregate; nothing is stored then.
    """
    decoded = decoder.decode(call.body, call.headers.get("content-type"))
    body: IntentBody = decoded.value
    intent_id = intent_id_of(call.path_params["id"])
    facts = await services.ownership.facts_for(call.principal, intent_id)
    require_merchant(facts.merchant_id, body.merchant_id)
    identity = identity_of(call, facts, f"{intent_path(intent_id)}/{verb}", decoded.canonical)
    shard = shard_of(intent_id)

    def new_id() -> UUID:
        return services.ids.new_id(shard)

    operation_id = new_id()
    operation = Operation(
        call,
        intent_id,
        operation_id,
        facts,
        identity,
        new_command(body, operation_id, new_id),
        final_status=200,
        expected_version=await expected_version(services, call, intent_id),
    )
    return await carry_out(services, operation, render)
