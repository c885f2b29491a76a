"""The commands as a table: path, scope, body, answer, and what may be refused."""

from typing import Any, Final

from command_api.authorizations import AuthorizeBody, authorize
from command_api.cancellations import CancelBody, cancel
from command_api.captures import CaptureBody, capture
from command_api.examples import CREATED_INTENT, PROCESSED_INTENT, PROCESSED_REFUND
from command_api.operations import CommandServices
from command_api.payment_intents import PATH, CreateBody, create, get
from command_api.refunds import RefundBody, refund
from schemas.resources import PaymentIntentResource, RefundResource
from schemas.routes import Parameter, Route

_IDEMPOTENCY_KEY: Final = Parameter(
    name="Idempotency-Key",
    where="header",
    description=(
        "1 to 255 visible ASCII characters, bare or quoted. The same key with the same request attaches to the "
        "operation it started; with another request it is refused. Keys are kept for as long as the log."
    ),
    json_schema={"type": "string", "minLength": 1, "maxLength": 257, "examples": ["order-17-create"]},
    required=True,
)
_PREFER: Final = Parameter(
    name="Prefer",
    where="header",
    description="`wait=N`: how many seconds to wait for the outcome (default 5, at most 30, 0 answers at once).",
    json_schema={"type": "string", "examples": ["wait=10"]},
)
_IF_MATCH: Final = Parameter(
    name="If-Match",
    where="header",
    description=(
        "The `ETag` the command is meant for, quotes included; refused with 412 when the object has changed since, and "
        "with 400 when it is no entity tag."
    ),
    json_schema={"type": "string", "examples": ['"3"']},
)
_IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    where="header",
    description="An `ETag` already at hand; answered with 304 when it is still the newest.",
    json_schema={"type": "string", "examples": ['"3"']},
)
_COMMAND_REFUSALS: Final = (
    "bad_json",
    "validation_failed",
    "pan_not_allowed",
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "merchant_mismatch",
    "livemode_mismatch",
    "not_found",
    "body_too_large",
    "unsupported_media_type",
    "concurrent_update",
)
_INTENT_REFUSALS: Final = (*_COMMAND_REFUSALS, "version_mismatch", "invalid_state", "operation_in_progress")


def _on_intent(verb: str, **fields: Any) -> Route[CommandServices]:
    return Route(
        method="POST",
        path=f"{PATH}/{{id}}/{verb}",
        scope="payments:write",
        parameters=(_IDEMPOTENCY_KEY, _PREFER, _IF_MATCH),
        **fields,
    )


ROUTES: Final[tuple[Route[CommandServices], ...]] = (
    Route(
        method="POST",
        path=PATH,
        scope="payments:write",
        request=CreateBody,
        response=PaymentIntentResource,
        handler=create,
        hot=True,
        summary="Create a payment intent",
        description="With `authorize: true` the authorization is asked for in the same breath.",
        responses={
            201: "Created; with `authorize: true`: the authorization has ended, a decline included.",
            202: "Created; the authorization has not ended within the wait.",
        },
        refusals=(*_COMMAND_REFUSALS, "currency_not_supported", "payment_method_not_supported"),
        parameters=(_IDEMPOTENCY_KEY, _PREFER),
        example_request={
            "amount": 10000,
            "currency": "EUR",
            "reference": "order-17",
            "metadata": {"cart": "8812"},
            "authorize": True,
            "payment_method": {"type": "card", "token": "tok_ok"},
        },
        example_response=CREATED_INTENT,
    ),
    Route(
        method="GET",
        path=f"{PATH}/{{id}}",
        scope="payments:read",
        request=None,
        response=PaymentIntentResource,
        handler=get,
        hot=True,
        summary="Read a payment intent",
        description="Folded from the log: always as fresh as the last command.",
        responses={200: "The payment intent as it is now.", 304: "The version at hand is the newest."},
        refusals=("not_found", "livemode_mismatch"),
        parameters=(_IF_NONE_MATCH,),
        example_response=PROCESSED_INTENT,
    ),
    _on_intent(
        "authorize",
        request=AuthorizeBody,
        response=PaymentIntentResource,
        handler=authorize,
        hot=True,
        summary="Authorize a payment intent",
        description="Holds the amount, or takes it at once where `capture_method` is `automatic`. A decline is an answer.",
        responses={200: "The authorization has ended.", 202: "It has not ended within the wait."},
        refusals=(
            *_INTENT_REFUSALS,
            "attempts_exhausted",
            "payment_method_not_supported",
            "currency_not_supported",
            "amount_not_representable",
        ),
        example_request={"payment_method": {"type": "card", "token": "tok_ok"}},
        example_response=PROCESSED_INTENT,
    ),
    _on_intent(
        "capture",
        request=CaptureBody,
        response=PaymentIntentResource,
        handler=capture,
        hot=True,
        summary="Capture an amount, or all that is left",
        responses={200: "The capture has ended.", 202: "It has not ended within the wait."},
        refusals=(
            *_INTENT_REFUSALS,
            "capture_exceeds_authorized",
            "authorization_expired",
            "too_many_operations",
            "multi_capture_not_supported",
        ),
        example_request={"amount": 6000},
        example_response=PROCESSED_INTENT,
    ),
    _on_intent(
        "refund",
        request=RefundBody,
        response=RefundResource,
        handler=refund,
        hot=True,
        summary="Refund an amount, or all that is left",
        responses={200: "The refund has ended.", 202: "It has not ended within the wait."},
        refusals=(*_INTENT_REFUSALS, "refund_exceeds_captured", "too_many_operations"),
        example_request={"amount": 5000, "reason": "customer_request"},
        example_response=PROCESSED_REFUND,
    ),
    _on_intent(
        "cancel",
        request=CancelBody,
        response=PaymentIntentResource,
        handler=cancel,
        summary="Release what is not captured",
        responses={200: "The release has ended.", 202: "It has not ended within the wait."},
        refusals=_INTENT_REFUSALS,
        example_request={"reason": "out_of_stock"},
        example_response=PROCESSED_INTENT,
    ),
)
