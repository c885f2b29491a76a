"""The objects that the OpenAPI document shows: one payment from its creation to a partial refund."""

from typing import Any, Final

_INTENT_ID: Final = "pi_01K3Q4V5W6E0280000000000T1"

CREATED_INTENT: Final[dict[str, Any]] = {
    "id": _INTENT_ID,
    "object": "payment_intent",
    "merchant_id": "mer_01K3Q4RS70E0280000000000M1",
    "livemode": False,
    "status": "authorized",
    "amount": 10000,
    "currency": "EUR",
    "capture_method": "manual",
    "amount_authorized": 10000,
    "amount_captured": 0,
    "captured_amount": 0,
    "amount_refunded": 0,
    "amount_released": 0,
    "amount_capturable": 10000,
    "amount_capture_pending": 0,
    "amount_refund_pending": 0,
    "reference": "order-17",
    "statement_descriptor": None,
    "metadata": {"cart": "8812"},
    "payment_method": {"type": "card", "brand": "visa", "last4": "4242"},
    "next_action": None,
    "last_payment_error": None,
    "return_url": None,
    "captures": [],
    "refunds": [],
    "attempts": [
        {
            "id": "att_01K3Q4V5W6E0280000000000A1",
            "operation": "authorize",
            "psp": "simulator",
            "status": "succeeded",
            "psp_reference": "pay_7Q2",
            "started_at": "2026-10-05T09:30:00.120Z",
            "ended_at": "2026-10-05T09:30:00.245Z",
        }
    ],
    "created_at": "2026-10-05T09:30:00.000Z",
    "authorized_at": "2026-10-05T09:30:00.245Z",
    "captured_at": None,
    "refunded_at": None,
    "canceled_at": None,
    "expires_at": "2026-10-12T09:30:00.000Z",
    "version": 4,
}
PROCESSED_REFUND: Final[dict[str, Any]] = {
    "id": "re_01K3Q4XJK0E0280000000000R1",
    "object": "refund",
    "payment_intent_id": _INTENT_ID,
    "amount": 5000,
    "status": "refunded",
    "reason": "customer_request",
    "created_at": "2026-10-05T09:31:20.000Z",
    "refunded_at": "2026-10-05T09:31:20.310Z",
}
PROCESSED_INTENT: Final[dict[str, Any]] = CREATED_INTENT | {
    "status": "partially_refunded",
    "amount_captured": 6000,
    "captured_amount": 6000,
    "amount_refunded": 5000,
    "amount_released": 0,
    "amount_capturable": 4000,
    "captures": [
        {
            "id": "cap_01K3Q4WBX0E0280000000000C1",
            "amount": 6000,
            "final": False,
            "status": "succeeded",
            "created_at": "2026-10-05T09:30:40.000Z",
            "captured_at": "2026-10-05T09:30:40.180Z",
            "available_on": "2026-10-07T09:30:40.180Z",
            "platform_fee": 204,
            "psp_fee": 66,
        }
    ],
    "refunds": [PROCESSED_REFUND],
    "captured_at": "2026-10-05T09:30:40.180Z",
    "refunded_at": "2026-10-05T09:31:20.310Z",
    "version": 10,
}
