"""`GET /v1/balances`: what the platform owes a merchant, pending and available."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from projections.positions import position_text
from projections.projection import schema_name
from projections.query_api.account_totals import account_totals
from projections.query_api.ledger_resources import BalanceResource, CurrencyBalance
from projections.query_api.parameters import AS_OF, EFFECTIVE_AS_OF, MIN_POSITION, QueryParameters, bad_parameter
from projections.query_api.reading import MIN_POSITION_HEADER, QueryServices, connected, reading
from schemas.errors import MerchantMismatch
from schemas.identifiers import Prefix, public_id, shard_of
from schemas.routes import Answer, Call, Parameter
from schemas.timestamps import rfc3339_or_null

_PARTIES: Final = 10_000
_encoder: Final = msgspec.json.Encoder()
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


# The same for many merchants in one statement, which is a snapshot by itself: its schema is the generation that was live
# a moment ago, so each row says which one is live now. What is asked comes as one document, since the driver looks at each
# element of an array in Python.
_OF_MERCHANTS_NOW: Final = """
    SELECT asked.number, l.generation, coalesce(c.position, 0) AS position, m.*
    FROM live l
    CROSS JOIN json_to_recordset($1::json) AS asked (number integer, shard integer, party text, livemode boolean)
    LEFT JOIN checkpoints c ON c.projection = l.projection AND c.generation = l.generation AND c.shard = asked.shard
    LEFT JOIN LATERAL (
        SELECT a.livemode, a.currency,
            coalesce(sum(b.credits - b.debits) FILTER (WHERE a.code = 'merchant_pending'), 0)::bigint AS pending,
            coalesce(sum(b.credits - b.debits) FILTER (WHERE a.code = 'merchant_available'), 0)::bigint AS available
        FROM {schema}.accounts a JOIN {schema}.balances b USING (shard, account)
        WHERE a.shard = asked.shard AND a.party = asked.party AND a.code IN ('merchant_pending', 'merchant_available')
          AND (asked.livemode IS NULL OR a.livemode = asked.livemode)
        GROUP BY a.livemode, a.currency
    ) m ON true
    WHERE l.projection = 'ledger'
    ORDER BY asked.number, m.livemode, m.currency
"""
Asked = tuple[UUID, bool | None]
"""A merchant, and the mode that the caller may see; null: both."""


class _Question(msgspec.Struct, frozen=True):
    """One of many merchants asked about in one statement."""

    number: int
    shard: int
    party: str
    livemode: bool | None


async def balances(services: QueryServices, call: Call) -> Answer:
    """One merchant's balances by currency; above zero is owed to the merchant."""
    parameters = QueryParameters(call, PARAMETERS)
    merchant_id = _whose(services, call, parameters)
    if not parameters.filters_beside("merchant_id") and MIN_POSITION_HEADER not in call.headers:
        answer: Answer | None = await services.batched(current_balances).get((merchant_id, call.principal.livemode))
        if answer is not None:
            return answer
    return await _at_a_position(services, call, parameters, merchant_id)


async def current_balances(services: QueryServices, asked: Sequence[Asked]) -> Mapping[Asked, Answer | None]:
    """The answer to each question from one statement, or null where the generation was switched since it was last seen."""
    nothing: dict[Asked, Answer | None] = dict.fromkeys(asked)
    generation = services.last_seen.get("ledger")
    if generation is None:
        return nothing
    each = [
        _Question(number, shard_of(merchant_id), _party(merchant_id), livemode)
        for number, (merchant_id, livemode) in enumerate(asked)
    ]
    query = _OF_MERCHANTS_NOW.format(schema=schema_name("ledger", generation))
    async with connected(services) as connection:
        try:
            rows = await connection.fetch(query, _encoder.encode(each).decode())
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return nothing
    if rows[0]["generation"] != generation:
        return nothing
    of_each = [list(group) for _, group in groupby(rows, key=itemgetter("number"))]
    return {
        key: _rendered_once(
            _answer(
                question.party,
                {question.shard: found[0]["position"]},
                None,
                [row for row in found if row["currency"] is not None],
            )
        )
        for key, question, found in zip(asked, each, of_each, strict=True)
    }


@lru_cache(maxsize=_PARTIES)
def _party(merchant_id: UUID) -> str:
    """How the ledger names a merchant; the same ones ask all the time."""
    return public_id(Prefix.MERCHANT, merchant_id)


def _rendered_once(answer: Answer) -> Answer:
    """The answer with its body as JSON already, for all who asked the same."""
    answer.body = msgspec.Raw(_encoder.encode(answer.body))
    return answer


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
