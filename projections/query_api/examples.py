"""The objects that the OpenAPI document shows: the worked case of the contract, when all of it is available."""

from typing import Any, Final

_MERCHANT: Final = "mer_01K3Q4RS70E0280000000000M1"
_INTENT: Final = "pi_01K3Q4V5W6E0280000000000T1"
_AS_OF: Final = "0:17,1:22"

REFUND: Final[dict[str, Any]] = {
    "id": "re_01K3Q55N70E0280000000000R1",
    "object": "refund",
    "payment_intent_id": _INTENT,
    "amount": 5000,
    "status": "refunded",
    "reason": "customer_request",
    "created_at": "2026-10-05T09:34:00.000Z",
    "refunded_at": "2026-10-05T09:34:00.310Z",
}

PAYMENT_INTENT: Final[dict[str, Any]] = {
    "id": _INTENT,
    "object": "payment_intent",
    "merchant_id": _MERCHANT,
    "livemode": False,
    "status": "partially_refunded",
    "amount": 10000,
    "currency": "EUR",
    "capture_method": "manual",
    "amount_authorized": 10000,
    "amount_captured": 9000,
    "captured_amount": 9000,
    "amount_refunded": 5000,
    "amount_released": 1000,
    "amount_capturable": 0,
    "amount_capture_pending": 0,
    "amount_refund_pending": 0,
    "reference": "order-17",
    "statement_descriptor": None,
    "metadata": {"cart": "8812"},
    "payment_method": {"type": "card", "brand": "visa", "last4": "4242"},
    "next_action": None,
    "last_payment_error": None,
    "return_url": None,
    "captures": [
        {
            "id": "cap_01K3Q50A20E0280000000000C1",
            "amount": 6000,
            "final": False,
            "status": "succeeded",
            "created_at": "2026-10-05T09:31:00.000Z",
            "captured_at": "2026-10-05T09:31:00.240Z",
            "available_on": "2026-10-07T09:31:00.240Z",
            "platform_fee": 204,
            "psp_fee": 66,
        }
    ],
    "refunds": [REFUND],
    "attempts": [
        {
            "id": "att_01K3Q4V5W6E0280000000000A1",
            "operation": "authorize",
            "psp": "simulator",
            "status": "succeeded",
            "psp_reference": "pay_7Q2",
            "started_at": "2026-10-05T09:30:00.120Z",
            "ended_at": "2026-10-05T09:30:00.310Z",
        }
    ],
    "created_at": "2026-10-05T09:30:00.000Z",
    "authorized_at": "2026-10-05T09:30:00.310Z",
    "captured_at": "2026-10-05T09:32:00.260Z",
    "refunded_at": "2026-10-05T09:34:00.310Z",
    "canceled_at": None,
    "expires_at": "2026-10-12T09:30:00.000Z",
    "version": 16,
}

EVENT: Final[dict[str, Any]] = {
    "id": "evt_01K3Q50A2TE0280000000000E7",
    "object": "event",
    "type": "CaptureRequested",
    "payment_intent_id": _INTENT,
    "version": 5,
    "position": "1:9",
    "recorded_at": "2026-10-05T09:31:00.000Z",
    "effective_at": "2026-10-05T09:30:59.998Z",
    "livemode": False,
    "currency": "EUR",
    "source": "http",
    "actor": {"type": "api_key", "id": "key_01K3Q4RS7AE0280000000000K1"},
    "operation_id": "op_01K3Q50A20E0280000000000P2",
    "caused_by": None,
    "data": {
        "operation_id": "op_01K3Q50A20E0280000000000P2",
        "capture_id": "cap_01K3Q50A20E0280000000000C1",
        "amount": 6000,
        "final": False,
    },
}

ACCOUNT: Final[dict[str, Any]] = {
    "id": "acc_4M2Q7X9P1BE0100ZK7D3RG6WVT",
    "object": "ledger_account",
    "code": "merchant_available",
    "party": _MERCHANT,
    "livemode": False,
    "currency": "EUR",
    "shard": 1,
    "debits": 0,
    "credits": 3709,
    "balance": -3709,
}

ENTRY: Final[dict[str, Any]] = {
    "object": "ledger_entry",
    "position": "1:21",
    "line": 2,
    "side": "credit",
    "amount": 796,
    "currency": "EUR",
    "balance_after": -796,
    "event_id": "evt_01K3Q8G0R0E0280000000000F7",
    "event_type": "FundsMadeAvailable",
    "rule": "available",
    "payment_intent_id": _INTENT,
    "reverses": None,
    "recorded_at": "2026-10-07T09:31:00.251Z",
    "effective_at": "2026-10-07T09:31:00.240Z",
}

_CODES: Final = (
    ("auth_hold", 10000, 10000),
    ("auth_contra", 10000, 10000),
    ("psp_receivable", 9000, 5099),
    ("psp_fee", 99, 0),
    ("merchant_pending", 9000, 9000),
    ("merchant_available", 0, 3709),
    ("refund_in_transit", 5000, 5000),
    ("platform_fee", 0, 291),
)
_BOOKS: Final = {"livemode": False, "currency": "EUR", "debits": 43099, "credits": 43099, "difference": 0}

TRIAL_BALANCE: Final[dict[str, Any]] = {
    "object": "trial_balance",
    "as_of": _AS_OF,
    "effective_as_of": None,
    "balanced": True,
    "currencies": [
        {
            **_BOOKS,
            "accounts": [
                {"code": code, "debits": debits, "credits": credits_, "balance": debits - credits_}
                for code, debits, credits_ in _CODES
            ],
        }
    ],
    "shards": [{"shard": 1, "position": "1:22", **_BOOKS}],
}

BALANCE: Final[dict[str, Any]] = {
    "object": "balance",
    "merchant_id": _MERCHANT,
    "as_of": "1:22",
    "effective_as_of": None,
    "balances": [{"livemode": False, "currency": "EUR", "pending": 0, "available": 3709}],
}


def listed(item: dict[str, Any]) -> dict[str, Any]:
    """A page that holds one object and is the last."""
    return {"object": "list", "data": [item], "has_more": False, "next_cursor": None}
