"""`GET /v1/refunds/{id}`: one refund, rendered by the payment intent that it belongs to."""

from typing import Final

from aggregates.payment_intent import refund_resource
from projections.payments import decode_state
from projections.query_api.parameters import MIN_POSITION, QueryParameters
from projections.query_api.reading import QueryServices, reading
from projections.query_api.visibility import covered_shards, require_visible
from schemas.errors import NotFound
from schemas.identifiers import MalformedId, Prefix, parse_public_id, shard_of
from schemas.routes import Answer, Call

PARAMETERS: Final = (MIN_POSITION,)
_STATE: Final = """
    SELECT p.merchant_id, p.livemode, p.state FROM {schema}.refunds r
    JOIN {schema}.payment_intents p ON p.shard = r.shard AND p.stream_id = r.stream_id
    WHERE r.shard = $1 AND r.refund_id = $2
"""


async def get_refund(services: QueryServices, call: Call) -> Answer:
    """A refund of the caller's.

    Raises:
        NotFound: there is none, or it is another merchant's.
        LivemodeMismatch: it is the caller's, but of the other mode.
    """
    QueryParameters(call, PARAMETERS)
    try:
        refund_id = parse_public_id(Prefix.REFUND, call.path_params["id"])
    except MalformedId:
        raise NotFound("There is no such refund.") from None
    shard = shard_of(refund_id)
    if shard not in covered_shards(services, call.principal):
        raise NotFound("There is no such refund.")
    async with reading(services, call, "payments", [shard]) as snapshot:
        row = await snapshot.connection.fetchrow(_STATE.format(schema=snapshot.schema), shard, refund_id)
        if row is None:
            raise NotFound("There is no such refund.")
        require_visible(call.principal, row["merchant_id"], row["livemode"])
        body = refund_resource(decode_state(row["state"]), refund_id)
        return Answer(status=200, body=body, headers=snapshot.headers())
