"""`GET /v1/payment_intents`: a merchant's payment intents, newest first."""

from typing import Any, Final, get_args

from aggregates.payment_intent import resource
from projections.payments import decode_state
from projections.query_api.conditions import Conditions
from projections.query_api.cursors import Cursors, Place
from projections.query_api.ledger_accounts import CURRENCY
from projections.query_api.pages import page
from projections.query_api.parameters import CURSOR, LIMIT, MIN_POSITION, QueryParameters, choices_schema
from projections.query_api.reading import QueryServices, reading
from projections.query_api.visibility import covered_shards
from schemas.identifiers import shard_of
from schemas.resources import PaymentIntentStatus
from schemas.routes import Answer, Call, Parameter

STATUSES: Final = get_args(PaymentIntentStatus)
_TIME: Final = {"type": "string", "format": "date-time"}
PARAMETERS: Final = (
    LIMIT,
    CURSOR,
    Parameter(
        name="status", where="query", description="Only intents of this status.", json_schema=choices_schema(STATUSES)
    ),
    CURRENCY,
    Parameter(
        name="reference",
        where="query",
        description="Only intents with this reference, compared whole.",
        json_schema={"type": "string", "maxLength": 80},
    ),
    Parameter(
        name="created_at[gte]", where="query", description="Only intents created then or later.", json_schema=_TIME
    ),
    Parameter(name="created_at[lt]", where="query", description="Only intents created before.", json_schema=_TIME),
    MIN_POSITION,
)
_PAGE: Final = """
    SELECT shard, created_position, state FROM {schema}.payment_intents
    WHERE {conditions} ORDER BY shard DESC, created_position DESC LIMIT {limit}
"""


async def list_payment_intents(services: QueryServices, call: Call) -> Answer:
    """The caller's payment intents: of one merchant newest first; for the operator so within each shard."""
    parameters = QueryParameters(call, PARAMETERS)
    cursors, limit = Cursors(call, parameters), parameters.limit()
    conditions = Conditions()
    if call.principal.merchant_id is not None:
        conditions.add("shard = {}", shard_of(call.principal.merchant_id))
        conditions.add("merchant_id = {}", call.principal.merchant_id)
        conditions.add("livemode = {}", call.principal.livemode)
    conditions.add_given("status = {}", parameters.choice("status", STATUSES))
    conditions.add_given("currency = {}", parameters.currency())
    conditions.add_given("reference = {}", parameters.text("reference", 80))
    # Stored times are whole milliseconds: one is at or after a finer time when it is so of the next millisecond.
    conditions.add_given("created_at >= {}", parameters.time("created_at[gte]", up=True))
    conditions.add_given("created_at < {}", parameters.time("created_at[lt]", up=True))
    after = cursors.after()
    if after is not None:
        conditions.add("(shard, created_position) < ({}, {})", *after[:2])
    async with reading(services, call, "payments", covered_shards(services, call.principal)) as snapshot:
        query = _PAGE.format(schema=snapshot.schema, conditions=conditions, limit=conditions.argument(limit + 1))
        rows = await snapshot.connection.fetch(query, *conditions.arguments)
        return page(snapshot, cursors, [(_place(row), row) for row in rows], limit, _intent)


def _place(row: Any) -> Place:
    return row["shard"], row["created_position"], 0


def _intent(row: Any) -> Any:
    return resource(decode_state(row["state"]))
