"""`GET /v1/ledger/accounts` and `…/{id}/entries`: the books, account by account and line by line."""

from typing import Any, Final
from uuid import UUID

from projections.ledger.accounts import CODES
from projections.positions import position_text
from projections.query_api.account_totals import account_totals
from projections.query_api.conditions import Conditions
from projections.query_api.cursors import Cursors, Place
from projections.query_api.ledger_resources import LedgerAccountResource, LedgerEntryResource
from projections.query_api.pages import page
from projections.query_api.parameters import (
    AS_OF,
    CURSOR,
    EFFECTIVE_AS_OF,
    LIMIT,
    MIN_POSITION,
    QueryParameters,
    choices_schema,
)
from projections.query_api.reading import QueryServices, reading
from projections.query_api.visibility import covered_shards, party_of
from schemas.errors import NotFound
from schemas.identifiers import MalformedId, Prefix, parse_public_id, public_id, shard_of
from schemas.routes import Answer, Call, Parameter, Principal
from schemas.timestamps import rfc3339

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
    SELECT * FROM ({totals}) a WHERE {conditions} ORDER BY a.shard, a.position, a.line LIMIT {limit}
"""
_ACCOUNT: Final = "SELECT livemode, party FROM {schema}.accounts WHERE shard = $1 AND account = $2"
_ENTRIES: Final = """
    SELECT e.shard, e.position, e.line, e.amount, t.currency, e.debits - e.credits AS balance_after, e.recorded_at, e.effective_at,
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
      AND (e.position, e.line) > ($4::bigint, $5::smallint)
    ORDER BY e.position, e.line LIMIT $6
"""


async def list_accounts(services: QueryServices, call: Call) -> Answer:
    """The accounts in the order in which they were opened, with what they held."""
    parameters = QueryParameters(call, ACCOUNTS_PARAMETERS)
    cursors, limit = Cursors(call, parameters), parameters.limit()
    code, currency = parameters.choice("code", CODES), parameters.currency()
    after = cursors.after()
    effective = parameters.time("effective_as_of")
    shards = covered_shards(services, call.principal)
    async with reading(services, call, "ledger", shards, as_of=parameters.text("as_of", 100_000)) as snapshot:
        totals, arguments = account_totals(snapshot, effective)
        conditions = Conditions(*arguments)
        conditions.add_given("a.party = {}", party_of(call.principal))
        conditions.add_given("a.livemode = {}", call.principal.livemode)
        conditions.add_given("a.code = {}", code)
        conditions.add_given("a.currency = {}", currency)
        if after is not None:
            conditions.add("(a.shard, a.position, a.line) > ({}, {}, {})", *after)
        query = _PAGE.format(totals=totals, conditions=conditions, limit=conditions.argument(limit + 1))
        rows = await snapshot.connection.fetch(query, *conditions.arguments)
        return page(snapshot, cursors, [(_place(row), row) for row in rows], limit, _account)


async def list_entries(services: QueryServices, call: Call) -> Answer:
    """The entries of one account in the order of the log, each with the balance it left."""
    parameters = QueryParameters(call, ENTRIES_PARAMETERS)
    cursors, limit = Cursors(call, parameters), parameters.limit()
    account_id = _account_id(services, call)
    shard = shard_of(account_id)
    _, *after = cursors.after() or (shard, 0, 0)
    async with reading(services, call, "ledger", [shard], as_of=parameters.text("as_of", 100_000)) as snapshot:
        account = await snapshot.connection.fetchrow(_ACCOUNT.format(schema=snapshot.schema), shard, account_id)
        if account is None or not _may_see(call.principal, account):
            raise NotFound("There is no such account.")
        rows = await snapshot.connection.fetch(
            _ENTRIES.format(schema=snapshot.schema), shard, account_id, snapshot.as_of[shard], *after, limit + 1
        )
        return page(snapshot, cursors, [(_place(row), row) for row in rows], limit, _entry)


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


def _entry(row: Any) -> LedgerEntryResource:
    return LedgerEntryResource(
        position=position_text({row["shard"]: row["position"]}),
        line=row["line"],
        side="debit" if row["amount"] > 0 else "credit",
        amount=abs(row["amount"]),
        currency=row["currency"],
        balance_after=row["balance_after"],
        event_id=public_id(Prefix.EVENT, row["event_id"]),
        event_type=row["event_type"],
        rule=row["rule"],
        payment_intent_id=public_id(Prefix.PAYMENT_INTENT, row["stream_id"]),
        reverses=None if row["reverses"] is None else position_text({row["shard"]: row["reverses"]}),
        recorded_at=rfc3339(row["recorded_at"]),
        effective_at=rfc3339(row["effective_at"]),
    )
