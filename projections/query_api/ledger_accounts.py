"""`GET /v1/ledger/accounts` and `…/{id}/entries`: the books, account by account and line by line."""

from typing import Any, Final
from uuid import UUID

from projections.positions import position_text
from projections.query_api.account_totals import account_totals
from projections.query_api.cursors import Cursors, Place
from projections.query_api.ledger_resources import LedgerAccountResource, LedgerEntryResource
from projections.query_api.parameters import (
    AS_OF,
    CURSOR,
    EFFECTIVE_AS_OF,
    LIMIT,
    MIN_POSITION,
    QueryParameters,
    choices_schema,
)
from projections.query_api.reading import QueryServices, Reading, reading
from schemas.errors import NotFound
from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id, shard_of
from schemas.resources import ListResource
from schemas.routes import Answer, Call, Parameter, Principal
from schemas.timestamps import rfc3339

CODES: Final = (
    "auth_hold",
    "auth_contra",
    "psp_receivable",
    "psp_fee",
    "merchant_pending",
    "merchant_available",
    "refund_in_transit",
    "platform_fee",
    "suspense",
)
CURRENCY: Final = Parameter(
    name="currency",
    where="query",
    description="Only this ISO 4217 currency.",
    json_schema={"type": "string", "pattern": "^[A-Z]{3}$"},
)
_CODE: Final = Parameter(
    name="code", where="query", description="Only accounts of this code.", json_schema=choices_schema(CODES)
)
ACCOUNTS_PARAMETERS: Final = (LIMIT, CURSOR, _CODE, CURRENCY, AS_OF, EFFECTIVE_AS_OF, MIN_POSITION)
ENTRIES_PARAMETERS: Final = (LIMIT, CURSOR, AS_OF, MIN_POSITION)

_PAGE: Final = """
    SELECT * FROM ({totals}) a
    WHERE ($4::text IS NULL OR a.party = $4) AND ($5::boolean IS NULL OR a.livemode = $5)
      AND ($6::text IS NULL OR a.code = $6) AND ($7::text IS NULL OR a.currency = $7)
      AND ($8::integer IS NULL OR (a.shard, a.position, a.line) > ($8, $9::bigint, $10::smallint))
    ORDER BY a.shard, a.position, a.line LIMIT $11
"""
_ACCOUNT: Final = "SELECT currency, livemode, party FROM {schema}.accounts WHERE shard = $1 AND account = $2"
_ENTRIES: Final = """
    SELECT e.position, e.line, e.amount, e.debits - e.credits AS balance_after, e.recorded_at, e.effective_at,
        t.event_id, t.event_type, t.rule, t.stream_id, r.position AS reverses
    FROM {schema}.entries e
    JOIN {schema}.transactions t ON t.shard = e.shard AND t.position = e.position AND t.line = e.transaction_line
    LEFT JOIN LATERAL (
        SELECT o.position FROM {schema}.transactions o
        WHERE o.shard = t.shard AND o.stream_id = t.stream_id AND o.subject = t.subject AND o.rule = t.reverses
          AND o.position < t.position
        ORDER BY o.position DESC LIMIT 1
    ) r ON t.reverses IS NOT NULL
    WHERE e.shard = $1 AND e.account = $2 AND e.position <= $3
      AND ($4::bigint IS NULL OR (e.position, e.line) > ($4, $5::smallint))
    ORDER BY e.position, e.line LIMIT $6
"""


def covered_shards(services: QueryServices, principal: Principal) -> list[int]:
    """A merchant's own shard; all of them for the operator."""
    if principal.merchant_id is not None:
        return [shard_of(principal.merchant_id)]
    return list(range(services.shards))


def party_of(principal: Principal) -> str | None:
    """The party whose accounts the caller may see, or null for all."""
    return None if principal.merchant_id is None else public_id(Prefix.MERCHANT, principal.merchant_id)


async def list_accounts(services: QueryServices, call: Call) -> Answer:
    """The accounts in the order in which they were opened, with what they held."""
    parameters = QueryParameters(call, ACCOUNTS_PARAMETERS)
    cursors, limit = Cursors(call, parameters), parameters.limit()
    code, currency = parameters.choice("code", CODES), parameters.currency()
    after: Place | tuple[None, None, None] = cursors.after() or (None, None, None)
    effective = parameters.time("effective_as_of")
    shards = covered_shards(services, call.principal)
    async with reading(services, call, "ledger", shards, as_of=parameters.text("as_of", 100_000)) as snapshot:
        totals, arguments = account_totals(snapshot, effective)
        rows = await snapshot.connection.fetch(
            _PAGE.format(totals=totals),
            *arguments,
            party_of(call.principal),
            call.principal.livemode,
            code,
            currency,
            *after,
            limit + 1,
        )
        return _page(snapshot, cursors, [(_place(row), _account(row)) for row in rows], limit)


async def list_entries(services: QueryServices, call: Call) -> Answer:
    """The entries of one account in the order of the log, each with the balance it left."""
    parameters = QueryParameters(call, ENTRIES_PARAMETERS)
    cursors, limit = Cursors(call, parameters), parameters.limit()
    after: Place | tuple[int, None, None] = cursors.after() or (0, None, None)
    account_id = _account_id(services, call)
    shard = shard_of(account_id)
    async with reading(services, call, "ledger", [shard], as_of=parameters.text("as_of", 100_000)) as snapshot:
        account = await snapshot.connection.fetchrow(_ACCOUNT.format(schema=snapshot.schema), shard, account_id)
        if account is None or not _may_see(call.principal, account):
            raise NotFound("There is no such account.")
        rows = await snapshot.connection.fetch(
            _ENTRIES.format(schema=snapshot.schema), shard, account_id, snapshot.as_of[shard], *after[1:], limit + 1
        )
        entries = [((shard, row["position"], row["line"]), _entry(shard, account["currency"], row)) for row in rows]
        return _page(snapshot, cursors, entries, limit)


def _page(snapshot: Reading, cursors: Cursors, found: list[tuple[Place, Any]], limit: int) -> Answer:
    shown = found[:limit]
    more = len(found) > limit
    page: ListResource[Any] = ListResource(
        data=tuple(resource for _, resource in shown),
        has_more=more,
        next_cursor=cursors.at(shown[-1][0]) if more else None,
    )
    return Answer(status=200, body=page, headers=snapshot.headers())


def _account_id(services: QueryServices, call: Call) -> UUID:
    try:
        account_id = parse_public_id(Prefix.LEDGER_ACCOUNT, call.path_params["id"])
    except MalformedId:
        raise NotFound("There is no such account.") from None
    if shard_of(account_id) not in covered_shards(services, call.principal):
        raise NotFound("There is no such account.")
    return account_id


def _may_see(principal: Principal, account: Any) -> bool:
    if principal.merchant_id is None:
        return True
    return bool(account["party"] == party_of(principal) and account["livemode"] == principal.livemode)


def _place(row: Any) -> Place:
    return row["shard"], row["position"], row["line"]


def _account(row: Any) -> LedgerAccountResource:
    return LedgerAccountResource(
        id=public_id(Prefix.LEDGER_ACCOUNT, row["account"]),
        code=row["code"],
        party=row["party"],
        livemode=row["livemode"],
        currency=row["currency"],
        shard=row["shard"],
        debits=row["debits"],
        credits=row["credits"],
        balance=row["debits"] - row["credits"],
    )


def _entry(shard: int, currency: str, row: Any) -> LedgerEntryResource:
    return LedgerEntryResource(
        position=position_text({shard: row["position"]}),
        line=row["line"],
        side="debit" if row["amount"] > 0 else "credit",
        amount=abs(row["amount"]),
        currency=currency,
        balance_after=row["balance_after"],
        event_id=public_id(Prefix.EVENT, row["event_id"]),
        event_type=row["event_type"],
        rule=row["rule"],
        payment_intent_id=public_id(Prefix.PAYMENT_INTENT, row["stream_id"]),
        reverses=None if row["reverses"] is None else position_text({shard: row["reverses"]}),
        recorded_at=rfc3339(row["recorded_at"]),
        effective_at=rfc3339(row["effective_at"]),
    )
