"""The payment intent: created, authorized, captured, refunded, canceled, and all that PSPs may say about it, ever.

The package itself is a decider: `initial`, `decide`, `evolve`. `resource` renders a state for the outside. Start
reading with `commands.py` (what can be asked), then `decisions.py` (what it causes) and `status.py` (the words).
"""

from aggregates.payment_intent.commands import Command
from aggregates.payment_intent.decisions import decide
from aggregates.payment_intent.evolution import evolve, initial
from aggregates.payment_intent.resource import operation_ended_at, refund_of_operation, refund_resource, resource
from aggregates.payment_intent.state import (
    Attempt,
    Authorization,
    Capture,
    Case,
    LateSuccess,
    Operation,
    PaymentIntent,
    Refund,
)

__all__ = [
    "Attempt",
    "Authorization",
    "Capture",
    "Case",
    "Command",
    "LateSuccess",
    "Operation",
    "PaymentIntent",
    "Refund",
    "decide",
    "evolve",
    "initial",
    "operation_ended_at",
    "refund_of_operation",
    "refund_resource",
    "resource",
]
