"""`GET /v1/ledger/trial_balance`: whether the books balance, in each shard and whole, at any position or time."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from projections.ledger.accounts import CODES
from projections.positions import position_text
from projections.query_api.account_totals import account_totals
from projections.query_api.ledger_accounts import CURRENCY
from projections.query_api.ledger_resources import (
    TrialBalanceAccount,
    TrialBalanceCurrency,
    TrialBalanceResource,
    TrialBalanceShard,
)
from projections.query_api.parameters import AS_OF, EFFECTIVE_AS_OF, MIN_POSITION, QueryParameters
from projections.query_api.reading import QueryServices, Reading, reading
from schemas.routes import Answer, Call
from schemas.timestamps import rfc3339_or_null

PARAMETERS: Final = (CURRENCY, AS_OF, EFFECTIVE_AS_OF, MIN_POSITION)
_BY_CODE: Final = """
    SELECT a.livemode, a.currency, a.shard, a.code, sum(a.debits)::bigint AS debits, sum(a.credits)::bigint AS credits
    FROM ({totals}) a
    WHERE ($4::boolean IS NULL OR a.livemode = $4) AND ($5::text IS NULL OR a.currency = $5)
    GROUP BY a.livemode, a.currency, a.shard, a.code
    ORDER BY a.livemode, a.currency, a.shard
"""


async def trial_balance(services: QueryServices, call: Call) -> Answer:
    """Debits and credits of all accounts, by code over all shards and whole within each."""
    parameters = QueryParameters(call, PARAMETERS)
    currency, effective = parameters.currency(), parameters.time("effective_as_of")
    shards = list(range(services.shards))
    async with reading(services, call, "ledger", shards, as_of=parameters.text("as_of", 100_000)) as snapshot:
        totals, arguments = account_totals(snapshot, effective)
        rows = await snapshot.connection.fetch(
            _BY_CODE.format(totals=totals), *arguments, call.principal.livemode, currency
        )
        body = render(snapshot, rows, effective)
        return Answer(status=200, body=body, headers=snapshot.headers())


def render(snapshot: Reading, rows: list[Any], effective: int | None) -> TrialBalanceResource:
    """The public object of rows by mode, currency, shard and code, sorted by the first three."""
    currencies, shards = [], []
    for (livemode, currency), group in groupby(rows, key=lambda row: (row["livemode"], row["currency"])):
        books = list(group)
        debits, credits_ = _sums(books)
        currencies.append(
            TrialBalanceCurrency(
                livemode=livemode,
                currency=currency,
                debits=debits,
                credits=credits_,
                difference=debits - credits_,
                accounts=tuple(_accounts(books)),
            )
        )
        for shard, part in groupby(books, key=lambda row: row["shard"]):
            debits, credits_ = _sums(list(part))
            shards.append(
                TrialBalanceShard(
                    shard=shard,
                    position=position_text({shard: snapshot.as_of[shard]}),
                    livemode=livemode,
                    currency=currency,
                    debits=debits,
                    credits=credits_,
                    difference=debits - credits_,
                )
            )
    return TrialBalanceResource(
        as_of=snapshot.as_of_text(),
        effective_as_of=rfc3339_or_null(effective),
        balanced=not any([part.difference for part in currencies] + [part.difference for part in shards]),
        currencies=tuple(currencies),
        shards=tuple(sorted(shards, key=lambda part: (part.shard, part.livemode, part.currency))),
    )


def _sums(rows: list[Any]) -> tuple[int, int]:
    return sum(row["debits"] for row in rows), sum(row["credits"] for row in rows)


def _accounts(books: list[Any]) -> Iterable[TrialBalanceAccount]:
    for code in CODES:
        rows = [row for row in books if row["code"] == code]
        if rows:
            debits, credits_ = _sums(rows)
            yield TrialBalanceAccount(code=code, debits=debits, credits=credits_, balance=debits - credits_)
