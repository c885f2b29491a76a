"""The payments view: every payment intent as its aggregate folds and renders it, for lists and look-ups.

It imports `schemas` and of `aggregates` only how a state is folded and rendered. Start reading with `payments.py`.
"""

from projections.payments.payments import Payments, decode_state

__all__ = ["Payments", "decode_state"]
