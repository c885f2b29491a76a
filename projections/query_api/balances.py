"""`GET /v1/balances`: what the platform owes a merchant, pending and available."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from projections.positions import position_text
from projections.query_api.account_totals import account_totals
from projections.query_api.current_balances import CurrentBalances
from projections.query_api.ledger_resources import BalanceResource, CurrencyBalance
from projections.query_api.parameters import AS_OF, EFFECTIVE_AS_OF, MIN_POSITION, QueryParameters, bad_parameter
from projections.query_api.reading import MIN_POSITION_HEADER, QueryServices, reading
from schemas.errors import MerchantMismatch
from schemas.identifiers import Prefix, public_id, shard_of
from schemas.routes import Answer, Call, Parameter
from schemas.timestamps import rfc3339_or_null

_MERCHANT: Final = Parameter(
    name="merchant_id",
    where="query",
    description="Whose balances; a merchant's key may leave it out, the operator has to name one.",
    json_schema={"type": "string"},
)
PARAMETERS: Final = (_MERCHANT, AS_OF, EFFECTIVE_AS_OF, MIN_POSITION)
_OF_MERCHANT: Final = """
    SELECT a.livemode, a.currency,
        coalesce(sum(a.credits - a.debits) FILTER (WHERE a.code = 'merchant_pending'), 0)::bigint AS pending,
        coalesce(sum(a.credits - a.debits) FILTER (WHERE a.code = 'merchant_available'), 0)::bigint AS available
    FROM ({totals}) a
    WHERE a.party = $4 AND a.code IN ('merchant_pending', 'merchant_available') AND ($5::boolean IS NULL OR a.livemode = $5)
    GROUP BY a.livemode, a.currency
    ORDER BY a.livemode, a.currency
"""


async def balances(services: QueryServices, call: Call) -> Answer:
    """One merchant's balances by currency; above zero is owed to the merchant."""
    parameters = QueryParameters(call, PARAMETERS)
    merchant_id = _whose(services, call, parameters)
    if not parameters.filters_beside("merchant_id") and MIN_POSITION_HEADER not in call.headers:
        answer: Answer | None = await services.batched(CurrentBalances).get((merchant_id, call.principal.livemode))
        if answer is not None:
            return answer
    return await _at_a_position(services, call, parameters, merchant_id)


async def _at_a_position(services: QueryServices, call: Call, parameters: QueryParameters, merchant_id: UUID) -> Answer:
    party, effective = public_id(Prefix.MERCHANT, merchant_id), parameters.time("effective_as_of")
    shards = [shard_of(merchant_id)]
    async with reading(services, call, "ledger", shards, as_of=parameters.text("as_of", 1000)) as snapshot:
        totals, arguments = account_totals(snapshot, effective)
        rows = await snapshot.connection.fetch(
            _OF_MERCHANT.format(totals=totals), *arguments, party, call.principal.livemode
        )
        answer = _answer(party, snapshot.as_of, effective, rows)
        answer.headers = snapshot.headers()
        return answer


def _answer(party: str, positions: Mapping[int, int], effective: int | None, rows: list[Any]) -> Answer:
    body = BalanceResource(
        merchant_id=party,
        as_of=position_text(positions),
        effective_as_of=rfc3339_or_null(effective),
        balances=tuple([_balance(row) for row in rows]),
    )
    return Answer(status=200, body=body, headers={"Guilder-Position": body.as_of})


def _whose(services: QueryServices, call: Call, parameters: QueryParameters) -> UUID:
    named, own = parameters.merchant(), call.principal.merchant_id
    if own is not None:
        if named not in {None, own}:
            raise MerchantMismatch
        return own
    if named is None:
        raise bad_parameter("merchant_id", "missing", "the operator has to say whose balances")
    if shard_of(named) >= services.shards:
        raise bad_parameter("merchant_id", "bad_format", "is of no shard of this installation")
    return named


def _balance(row: Any) -> CurrencyBalance:
    return CurrencyBalance(
        livemode=row["livemode"], currency=row["currency"], pending=row["pending"], available=row["available"]
    )
