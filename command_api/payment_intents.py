"""Payment intents: created, and read as they are now."""

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from aggregates import payment_intent
from aggregates.merchant import intent_fee_plan
from aggregates.payment_intent.commands import CreatePaymentIntent, RequestAuthorization
from command_api.bodies import Body, BodyDecoder
from command_api.conditions import VersionCondition, etag
from command_api.operations import CommandServices, Operation, carry_out, folded, identity_of
from command_api.ownership import IntentFacts, MerchantIdField, acting_for, intent_id_of
from command_api.payment_methods import PaymentMethodBody, payment_method_of
from schemas.currencies import EXPONENTS
from schemas.errors import FieldError, NotFound
from schemas.identifiers import shard_of
from schemas.money import MAX_AMOUNT
from schemas.routes import Answer, Call

PATH: Final = "/v1/payment_intents"

if TYPE_CHECKING:
    _Currency = str
else:
    _Currency = Literal[tuple(EXPONENTS)]

AmountField = Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT, description="Minor units of the currency.")]
CurrencyField = Annotated[
    _Currency,
    msgspec.Meta(
        extra={"code": "bad_currency", "detail": "must be the ISO 4217 code of a currency in use, in upper case"},
        description="ISO 4217 code, upper case.",
        examples=["EUR"],
    ),
]
MetadataField = Annotated[
    dict[
        Annotated[str, msgspec.Meta(min_length=1, max_length=40)],
        Annotated[str, msgspec.Meta(max_length=500)],
    ],
    msgspec.Meta(max_length=50, description="Your own names and texts. Not for personal data: it is kept in clear."),
]


class CreateBody(Body, frozen=True, kw_only=True):
    """What `POST /v1/payment_intents` takes."""

    amount: AmountField
    currency: CurrencyField
    capture_method: Literal["manual", "automatic"] = "manual"
    reference: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                max_length=80,
                description="Your own name for it. Not for personal data: it is kept in clear.",
            ),
        ]
        | None
    ) = None
    statement_descriptor: (
        Annotated[
            str,
            msgspec.Meta(min_length=1, max_length=22, description="What the payer's statement says. Kept in clear."),
        ]
        | None
    ) = None
    metadata: MetadataField | None = None
    return_url: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^https?://[^\s/]\S*$",
                max_length=2048,
                extra={"detail": "must be an address that begins with https:// or http://, without blanks"},
            ),
        ]
        | None
    ) = None
    authorize: Annotated[bool, msgspec.Meta(description="Ask for the authorization at once.")] = False
    payment_method: PaymentMethodBody | None = None
    initiator: Literal["cit", "mit"] | None = None
    merchant_id: MerchantIdField | None = None
    livemode: (
        Annotated[bool, msgspec.Meta(description="Needed with the operator's key; a merchant's key settles it.")] | None
    ) = None

    def inconsistencies(self) -> list[FieldError]:
        if self.authorize:
            if self.payment_method is None:
                return [FieldError("/payment_method", "missing", "is required with authorize: true")]
            return []
        given = {"/payment_method": self.payment_method, "/initiator": self.initiator}
        return [
            FieldError(pointer, "unknown_field", "is taken only with authorize: true")
            for pointer, value in given.items()
            if value is not None
        ]


_create_body: Final = BodyDecoder(CreateBody)


async def create(services: CommandServices, call: Call) -> Answer:
    """Create a payment intent; with `authorize: true` ask for its authorization in the same breath."""
    decoded = _create_body.decode(call.body, call.headers.get("content-type"))
    body = decoded.value
    merchant_id, livemode = acting_for(call.principal, body.merchant_id, body.livemode)
    facts = IntentFacts(merchant_id, livemode, body.currency)
    identity = identity_of(call, facts, PATH, decoded.canonical)
    known = services.merchants.remembered(merchant_id) or await services.merchants.current(merchant_id)
    merchant = known.state
    if not merchant.exists:
        raise NotFound("There is no such merchant.")
    shard = shard_of(merchant_id)
    intent_id, operation_id = services.ids.new_id(shard), services.ids.new_id(shard)
    authorize = None
    if body.authorize and body.payment_method is not None:
        authorize = RequestAuthorization(
            operation_id=operation_id,
            capture_id=services.ids.new_id(shard),
            payment_method=payment_method_of(body.payment_method),
            initiator=body.initiator or "cit",
        )
    command = CreatePaymentIntent(
        amount=body.amount,
        currency=body.currency,
        capture_method=body.capture_method,
        reference=body.reference,
        statement_descriptor=body.statement_descriptor,
        metadata=body.metadata or {},
        return_url=body.return_url,
        fee_plan=intent_fee_plan(merchant, body.currency),
        settlement_delay_s=merchant.settlement_delay_s,
        authorize=authorize,
    )
    answer = await carry_out(
        services,
        Operation(call, intent_id, operation_id, facts, identity, command, final_status=201, expected_version=0),
        lambda state, _: payment_intent.resource(state),
    )
    if "Idempotent-Replayed" not in answer.headers:
        services.ownership.remember(intent_id, facts)
    answer.headers["Location"] = f"{PATH}/{answer.body.id}"
    return answer


async def get(services: CommandServices, call: Call) -> Answer:
    """A payment intent as the log has it now."""
    stream = await services.ownership.load_for(call.principal, intent_id_of(call.path_params["id"]))
    state = folded(stream)
    headers = {"ETag": etag(state.version), "Guilder-Position": f"{shard_of(state.id)}:{stream.records[-1].position}"}
    known = call.headers.get("if-none-match")
    if known is not None and VersionCondition(known).already_has(state.version):
        return Answer(status=304, body=None, headers=headers)
    return Answer(status=200, body=payment_intent.resource(state), headers=headers)
