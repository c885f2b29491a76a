"""The chart of accounts: nine codes, each with a party behind it or none (docs/ledger.md)."""

from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from schemas.identifiers import Prefix, derived_id, public_id

# In the order in which a trial balance shows them.
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


class Account(msgspec.Struct, frozen=True, order=True):
    """An account within one shard's books of one mode and currency; `party` is a PSP's name, a merchant's public id or empty."""

    code: str
    party: str = ""

    def __post_init__(self) -> None:
        assert self.code in CODES, f"{self.code} is no account of the chart"

    def __str__(self) -> str:
        return f"{self.code}:{self.party}" if self.party else self.code


AUTH_HOLD: Final = Account("auth_hold")
AUTH_CONTRA: Final = Account("auth_contra")
PSP_FEE: Final = Account("psp_fee")
PLATFORM_FEE: Final = Account("platform_fee")
MEMO_CODES: Final = frozenset({"auth_hold", "auth_contra"})
MERCHANT_CODES: Final = frozenset({"merchant_pending", "merchant_available"})


@lru_cache(maxsize=1024)
def psp_receivable(psp: str) -> Account:
    """What the PSP owes us."""
    return Account("psp_receivable", psp)


@lru_cache(maxsize=1024)
def refund_in_transit(psp: str) -> Account:
    """What has left the merchant's money for a refund and not reached the payer."""
    return Account("refund_in_transit", psp)


@lru_cache(maxsize=1024)
def suspense(psp: str) -> Account:
    """Money that nobody is entitled to yet: a charge that succeeded after its decline was told."""
    return Account("suspense", psp)


@lru_cache(maxsize=65_536)
def merchant_account(code: str, merchant_id: UUID) -> Account:
    """`merchant_pending` or `merchant_available` of one merchant."""
    assert code in MERCHANT_CODES, code
    return Account(code, public_id(Prefix.MERCHANT, merchant_id))


@lru_cache(maxsize=262_144)
def account_id(shard: int, livemode: bool, currency: str, account: Account) -> UUID:
    """The id of an account: the same five things, the same id, in every generation and every rebuild."""
    return derived_id(shard, "ledger/account", int(livemode), currency, account.code, account.party)
