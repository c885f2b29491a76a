"""What the events of one intent do to money, counted a second time and more simply: the oracle of the state machine.

It reads events alone, by the posting table of the contract, and knows nothing of the aggregate's state.
"""

from collections import Counter, defaultdict
from uuid import UUID

from schemas.events import (
    AuthorizationExpired,
    AuthorizationVoided,
    CaptureReversed,
    Event,
    FundsMadeAvailable,
    LateSuccessReceived,
    LateSuccessReversed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentRefunded,
    PspFeeAdjusted,
    RefundFailed,
    RefundRequested,
    RefundReversed,
)


class Books:
    """Balances in minor units; the merchant's side is positive where the platform owes it."""

    def __init__(self) -> None:
        self.hold = 0
        self.pending: Counter[UUID] = Counter()
        self.available = 0
        self.in_transit: Counter[str] = Counter()
        self.reversed: dict[UUID, list[tuple[str | None, int]]] = defaultdict(list)
        self.platform_fee = 0
        self.suspense = 0
        self.collected = 0
        self.psp_fees: Counter[tuple[UUID, str]] = Counter()

    def post(self, event: Event) -> None:
        match event:
            case PaymentAuthorized():
                self.hold += event.amount_authorized
            case PaymentCaptured():
                self.hold -= event.hold_released
                self.collected += event.amount
                self.pending[event.capture_id] += event.amount - event.platform_fee.total
                self.platform_fee += event.platform_fee.total
                self.psp_fees[event.capture_id, event.psp_fee.currency] += event.psp_fee.amount
            case PspFeeAdjusted():
                self.psp_fees[event.capture_id, event.currency] += event.delta
            case AuthorizationVoided() | AuthorizationExpired():
                self.hold -= event.amount_released
            case FundsMadeAvailable():
                self.pending[event.capture_id] -= event.amount
                self.available += event.amount
            case RefundRequested():
                self.in_transit[event.psp] += event.amount
                for part in event.funding:
                    self._merchant(part.source, part.capture_id, -part.amount)
            case PaymentRefunded():
                self.in_transit[event.result.psp] -= event.amount
                self.collected -= event.amount
                self.platform_fee += event.refund_fee - event.platform_fee_returned
                self.available += event.platform_fee_returned - event.refund_fee
            case RefundFailed() | RefundReversed():
                if isinstance(event, RefundFailed):
                    self.in_transit[event.result.psp] -= event.amount
                else:
                    self.collected += event.amount
                for restored in event.restored:
                    self._merchant(restored.account, restored.capture_id, restored.amount)
            case CaptureReversed():
                self.reversed[event.capture_id].append((event.result.psp_operation_reference, event.amount))
                self.collected -= event.amount
                self.psp_fees[event.capture_id, "EUR"] -= event.psp_fee_returned
                self.platform_fee -= event.platform_fee_returned
                self.available += event.platform_fee_returned
                for taken in event.taken_from:
                    self._merchant(taken.account, taken.capture_id, -taken.amount)
            case LateSuccessReceived(kind="charge"):
                self.suspense += event.amount
            case LateSuccessReversed(via="refund"):
                self.suspense -= event.amount
            case _:
                pass

    def _merchant(self, account: str, capture_id: UUID | None, amount: int) -> None:
        if account == "merchant_available":
            assert capture_id is None
            self.available += amount
        else:
            assert capture_id is not None
            self.pending[capture_id] += amount

    @property
    def off_by(self) -> int:
        """What the merchant, the payer's refunds and the platform hold, less what came in; zero if nothing is lost."""
        return self.pending.total() + self.available + self.in_transit.total() + self.platform_fee - self.collected
