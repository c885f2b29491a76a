"""The merchant: who it is, what it pays, when it gets its money, and with which keys it calls.

The package itself is a decider: `initial`, `decide`, `evolve`. What a payment intent needs of its merchant
(`intent_fee_plan`, the settlement delay) is read once, at its creation. Start reading with `commands.py`.
"""

from aggregates.merchant.commands import (
    Command,
    IssueApiKey,
    RegisterMerchant,
    RevokeApiKey,
    SetFeePlan,
    SetSettlementDelay,
)
from aggregates.merchant.decisions import decide
from aggregates.merchant.evolution import evolve, initial
from aggregates.merchant.state import DEFAULT_SETTLEMENT_DELAY_S, ApiKey, FeePlan, Merchant, intent_fee_plan

__all__ = [
    "DEFAULT_SETTLEMENT_DELAY_S",
    "ApiKey",
    "Command",
    "FeePlan",
    "IssueApiKey",
    "Merchant",
    "RegisterMerchant",
    "RevokeApiKey",
    "SetFeePlan",
    "SetSettlementDelay",
    "decide",
    "evolve",
    "initial",
    "intent_fee_plan",
]
