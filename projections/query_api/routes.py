"""The reads as a table: path, scope, answer, parameters, and what may be refused."""

from typing import Any, Final

from projections.query_api import balances, ledger_accounts, payment_history, payment_intents, refunds, trial_balance
from projections.query_api.event_resources import EventResource
from projections.query_api.examples import (
    ACCOUNT,
    BALANCE,
    ENTRY,
    EVENT,
    PAYMENT_INTENT,
    REFUND,
    TRIAL_BALANCE,
    listed,
)
from projections.query_api.ledger_resources import (
    BalanceResource,
    LedgerAccountResource,
    LedgerEntryResource,
    TrialBalanceResource,
)
from projections.query_api.reading import QueryServices
from schemas.resources import ListResource, PaymentIntentResource, RefundResource
from schemas.routes import Route

_REFUSALS: Final = ("validation_failed", "filter_unknown", "position_not_reached", "overloaded", "shard_unavailable")
_LIST_REFUSALS: Final = (*_REFUSALS, "cursor_invalid")
_ONE_REFUSALS: Final = ("not_found", "livemode_mismatch")


def _get(path: str, **fields: Any) -> Route[QueryServices]:
    return Route(method="GET", path=path, request=None, **fields)


ROUTES: Final[tuple[Route[QueryServices], ...]] = (
    _get(
        "/v1/payment_intents",
        scope="payments:read",
        response=ListResource[PaymentIntentResource],
        handler=payment_intents.list_payment_intents,
        summary="List payment intents",
        description="Newest first. Read from a view that follows the log: pass `Guilder-Min-Position` to read your writes.",
        responses={200: "One page of payment intents."},
        refusals=_LIST_REFUSALS,
        parameters=payment_intents.PARAMETERS,
        example_response=listed(PAYMENT_INTENT),
    ),
    _get(
        "/v1/payment_intents/{id}/events",
        scope="payments:read",
        response=ListResource[EventResource],
        handler=payment_history.list_events,
        summary="Read a payment intent's history",
        description="Every event of it, first to last.",
        responses={200: "One page of events."},
        refusals=(*_LIST_REFUSALS, *_ONE_REFUSALS),
        parameters=payment_history.PARAMETERS,
        example_response=listed(EVENT),
    ),
    _get(
        "/v1/refunds/{id}",
        scope="payments:read",
        response=RefundResource,
        handler=refunds.get_refund,
        summary="Read a refund",
        responses={200: "The refund."},
        refusals=(*_REFUSALS, *_ONE_REFUSALS),
        parameters=refunds.PARAMETERS,
        example_response=REFUND,
    ),
    _get(
        "/v1/ledger/accounts",
        scope="ledger:read",
        response=ListResource[LedgerAccountResource],
        handler=ledger_accounts.list_accounts,
        summary="List ledger accounts",
        description="In the order in which they were opened, with what they held. A merchant's key sees its own.",
        responses={200: "One page of accounts."},
        refusals=_LIST_REFUSALS,
        parameters=ledger_accounts.ACCOUNTS_PARAMETERS,
        example_response=listed(ACCOUNT),
    ),
    _get(
        "/v1/ledger/accounts/{id}/entries",
        scope="ledger:read",
        response=ListResource[LedgerEntryResource],
        handler=ledger_accounts.list_entries,
        summary="List an account's entries",
        description="In the order of the log, each with the balance that it left.",
        responses={200: "One page of entries."},
        refusals=(*_LIST_REFUSALS, "not_found"),
        parameters=ledger_accounts.ENTRIES_PARAMETERS,
        example_response=listed(ENTRY),
    ),
    _get(
        "/v1/ledger/trial_balance",
        scope="audit:read",
        response=TrialBalanceResource,
        handler=trial_balance.trial_balance,
        summary="Read the trial balance",
        description="Debits and credits of all books, whole and in each shard; every difference is 0.",
        responses={200: "The trial balance."},
        refusals=_REFUSALS,
        parameters=trial_balance.PARAMETERS,
        example_response=TRIAL_BALANCE,
    ),
    _get(
        "/v1/balances",
        scope="ledger:read",
        response=BalanceResource,
        handler=balances.balances,
        hot=True,
        summary="Read a merchant's balances",
        description="Pending until the settlement delay is over, then available; above zero is owed to the merchant.",
        responses={200: "The balances by currency."},
        refusals=(*_REFUSALS, "merchant_mismatch"),
        parameters=balances.PARAMETERS,
        example_response=BALANCE,
    ),
)
