"""The public objects of the ledger. Amounts are minor units; a balance is debits − credits unless it says otherwise."""

from typing import Literal

import msgspec


class LedgerAccountResource(msgspec.Struct, frozen=True, kw_only=True):
    """One account and what it held at `as_of`; `party` is a PSP, a merchant's id, or empty."""

    id: str
    object: Literal["ledger_account"] = "ledger_account"
    code: str
    party: str
    livemode: bool
    currency: str
    shard: int
    debits: int
    credits: int
    balance: int


class LedgerEntryResource(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a transaction; `balance_after` is the account's, `reverses` the position of what it takes back."""

    object: Literal["ledger_entry"] = "ledger_entry"
    position: str
    line: int
    side: Literal["debit", "credit"]
    amount: int
    currency: str
    balance_after: int
    event_id: str
    event_type: str
    rule: str
    payment_intent_id: str
    reverses: str | None
    recorded_at: str
    effective_at: str


class TrialBalanceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts of one code together, whatever their party."""

    code: str
    debits: int
    credits: int
    balance: int


class TrialBalanceCurrency(msgspec.Struct, frozen=True, kw_only=True):
    """The books of one mode and currency over all shards; `difference` is debits − credits, and 0."""

    livemode: bool
    currency: str
    debits: int
    credits: int
    difference: int
    accounts: tuple[TrialBalanceAccount, ...]


class TrialBalanceShard(msgspec.Struct, frozen=True, kw_only=True):
    """The books of one mode and currency in one shard, at `position`."""

    shard: int
    position: str
    livemode: bool
    currency: str
    debits: int
    credits: int
    difference: int


class TrialBalanceResource(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the books balance: `balanced` is true when every difference is 0, whole and in each shard."""

    object: Literal["trial_balance"] = "trial_balance"
    as_of: str
    effective_as_of: str | None
    balanced: bool
    currencies: tuple[TrialBalanceCurrency, ...]
    shards: tuple[TrialBalanceShard, ...]


class CurrencyBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform owes the merchant in one currency: `pending` until its day comes, then `available`.

    Above zero is owed to the merchant; `available` may fall below.
    """

    livemode: bool
    currency: str
    pending: int
    available: int


class BalanceResource(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's money, by currency."""

    object: Literal["balance"] = "balance"
    merchant_id: str
    as_of: str
    effective_as_of: str | None
    balances: tuple[CurrencyBalance, ...]
