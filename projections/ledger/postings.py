"""The posting rules, one table: what each event does to the books (docs/ledger.md).

Pure: a posting depends on the recorded event alone, so whoever folds the log gets the same ledger to the last cent.
Start reading at `RULES`. To add a rule, write it, and name it beside its event there; an event stands either in `RULES`
or in `POSTS_NOTHING`, and this module cannot be imported while one stands in neither.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from projections.ledger.accounts import (
    AUTH_CONTRA,
    AUTH_HOLD,
    MEMO_CODES,
    PLATFORM_FEE,
    PSP_FEE,
    Account,
    merchant_account,
    psp_receivable,
    refund_in_transit,
    suspense,
)
from schemas import events
from schemas.events import Event
from schemas.events.captures import Slice
from schemas.events.psp import PspFee
from schemas.events.refunds import Funding
from schemas.records import RecordedEvent


class Line(msgspec.Struct, frozen=True):
    """One side of a transaction: `amount` minor units, a debit above zero and a credit below."""

    account: Account
    amount: int


class LedgerTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule makes of one event: lines of one currency that sum to zero.

    `subject` is the capture, refund, operation or intent that the money belongs to. A transaction that takes an
    earlier one back names that one's rule in `reverses`; the earlier one has the same subject and stream.
    """

    event_id: UUID
    rule: str
    currency: str
    lines: tuple[Line, ...]
    subject: UUID
    reverses: str | None = None

    def __post_init__(self) -> None:
        total = sum([line.amount for line in self.lines])
        assert total == 0, f"{self.rule} of event {self.event_id} is off by {total} {self.currency}"
        memo = {line.account.code in MEMO_CODES for line in self.lines}
        assert len(memo) == 1, f"{self.rule} of event {self.event_id} mixes memo accounts with money"


class _Posting(msgspec.Struct, frozen=True):
    rule: str
    lines: tuple[Line, ...]
    subject: UUID
    currency: str | None = None  # null: that of the event's envelope
    reverses: str | None = None


# Each rule yields the lines of its event in the order of docs/ledger.md; of two accounts in a `_move`, the first is
# debited and the second credited.


def _held(event: events.PaymentAuthorized, recorded: RecordedEvent) -> Iterator[_Posting]:
    yield _Posting("hold", _move(AUTH_HOLD, AUTH_CONTRA, event.amount_authorized), recorded.stream_id)


def _captured(event: events.PaymentCaptured, recorded: RecordedEvent) -> Iterator[_Posting]:
    receivable, pending = psp_receivable(event.result.psp), _merchant("merchant_pending", recorded)
    capture = event.capture_id
    yield _Posting("release", _move(AUTH_CONTRA, AUTH_HOLD, event.hold_released), capture)
    yield _Posting("capture", _move(receivable, pending, event.amount), capture)
    yield _Posting("platform_fee", _move(pending, PLATFORM_FEE, event.platform_fee.total), capture)
    yield from _psp_fee(event.psp_fee, receivable, capture)


def _released(
    event: events.AuthorizationVoided | events.AuthorizationExpired, recorded: RecordedEvent
) -> Iterator[_Posting]:
    yield _Posting("release", _move(AUTH_CONTRA, AUTH_HOLD, event.amount_released), recorded.stream_id)


def _made_available(event: events.FundsMadeAvailable, recorded: RecordedEvent) -> Iterator[_Posting]:
    pending, available = _merchant("merchant_pending", recorded), _merchant("merchant_available", recorded)
    yield _Posting("available", _move(pending, available, event.amount), event.capture_id)


def _refund_requested(event: events.RefundRequested, recorded: RecordedEvent) -> Iterator[_Posting]:
    transit = refund_in_transit(event.psp)
    yield _Posting("funding", _take(event.funding, recorded, transit, event.amount), event.refund_id)


def _refunded(event: events.PaymentRefunded, recorded: RecordedEvent) -> Iterator[_Posting]:
    receivable, available = psp_receivable(event.result.psp), _merchant("merchant_available", recorded)
    transit, refund = refund_in_transit(event.result.psp), event.refund_id
    yield _Posting("refund", _move(transit, receivable, event.amount), refund)
    yield _Posting("refund_fee", _move(available, PLATFORM_FEE, event.refund_fee), refund)
    yield from _psp_fee(event.psp_fee, receivable, refund)
    yield _Posting("returned", _move(PLATFORM_FEE, available, event.platform_fee_returned), refund)


def _refund_failed(event: events.RefundFailed, recorded: RecordedEvent) -> Iterator[_Posting]:
    lines = _give(event.restored, recorded, refund_in_transit(event.result.psp), event.amount)
    yield _Posting("restored", lines, event.refund_id, reverses="funding")


def _refund_reversed(event: events.RefundReversed, recorded: RecordedEvent) -> Iterator[_Posting]:
    lines = _give(event.restored, recorded, psp_receivable(event.result.psp), event.amount)
    yield _Posting("restored", lines, event.refund_id, reverses="refund")


def _capture_reversed(event: events.CaptureReversed, recorded: RecordedEvent) -> Iterator[_Posting]:
    receivable, available = psp_receivable(event.result.psp), _merchant("merchant_available", recorded)
    lines = _take(event.taken_from, recorded, receivable, event.amount)
    yield _Posting("capture", lines, event.capture_id, reverses="capture")
    fees = (
        *_move(PLATFORM_FEE, available, event.platform_fee_returned),
        *_move(receivable, PSP_FEE, event.psp_fee_returned),
    )
    # One name has to do for both; where the platform returns nothing, it is the PSP's fee that is taken back.
    yield _Posting(
        "fees", fees, event.capture_id, reverses="platform_fee" if event.platform_fee_returned else "psp_fee"
    )


def _psp_fee_adjusted(event: events.PspFeeAdjusted, _recorded: RecordedEvent) -> Iterator[_Posting]:
    lines = _move(PSP_FEE, psp_receivable(event.result.psp), event.delta)
    yield _Posting("psp_fee", lines, event.capture_id, event.currency)


def _late_success(event: events.LateSuccessReceived, _recorded: RecordedEvent) -> Iterator[_Posting]:
    if event.kind == "hold":  # it is voided, and never was money
        return
    receivable, operation = psp_receivable(event.result.psp), event.result.operation_id
    yield _Posting("late_charge", _move(receivable, suspense(event.result.psp), event.amount), operation)
    yield from _psp_fee(event.psp_fee, receivable, operation)


def _late_success_reversed(event: events.LateSuccessReversed, _recorded: RecordedEvent) -> Iterator[_Posting]:
    if event.via == "void":
        return
    receivable, operation = psp_receivable(event.result.psp), event.result.operation_id
    lines = _move(suspense(event.result.psp), receivable, event.amount)
    yield _Posting("late_refund", lines, operation, reverses="late_charge")
    # Below zero where the PSP gives back what it took for the charge.
    yield from _psp_fee(event.psp_fee, receivable, operation)


def _declined(event: events.AuthorizationDeclined, _recorded: RecordedEvent) -> Iterator[_Posting]:
    yield from _psp_fee(event.psp_fee, psp_receivable(event.result.psp), event.result.operation_id)


def _merchant(code: str, recorded: RecordedEvent) -> Account:
    return merchant_account(code, recorded.envelope.merchant_id)


def _move(debit: Account, credit: Account, amount: int) -> tuple[Line, Line]:
    """`amount` from `credit` to `debit`; below zero the sides have swapped."""
    return Line(debit, amount), Line(credit, -amount)


def _take(slices: Sequence[Funding | Slice], recorded: RecordedEvent, credit: Account, amount: int) -> tuple[Line, ...]:
    """Debit each slice of the merchant's money, credit their whole."""
    return *[Line(_owner(part, recorded), part.amount) for part in slices], Line(credit, -amount)


def _give(slices: Sequence[Slice], recorded: RecordedEvent, debit: Account, amount: int) -> tuple[Line, ...]:
    """Debit the whole, credit each slice of the merchant's money."""
    return Line(debit, amount), *[Line(_owner(part, recorded), -part.amount) for part in slices]


def _owner(part: Funding | Slice, recorded: RecordedEvent) -> Account:
    return _merchant(part.source if isinstance(part, Funding) else part.account, recorded)


def _psp_fee(fee: PspFee | None, receivable: Account, subject: UUID) -> Iterator[_Posting]:
    # A PSP may charge in a currency of its own: the transaction is in that one.
    if fee is not None:
        yield _Posting("psp_fee", _move(PSP_FEE, receivable, fee.amount), subject, fee.currency)


RULES: Final[Mapping[type[Event], Callable[[Any, RecordedEvent], Iterator[_Posting]]]] = {
    events.PaymentAuthorized: _held,
    events.PaymentCaptured: _captured,
    events.AuthorizationVoided: _released,
    events.AuthorizationExpired: _released,
    events.FundsMadeAvailable: _made_available,
    events.RefundRequested: _refund_requested,
    events.PaymentRefunded: _refunded,
    events.RefundFailed: _refund_failed,
    events.RefundReversed: _refund_reversed,
    events.CaptureReversed: _capture_reversed,
    events.PspFeeAdjusted: _psp_fee_adjusted,
    events.LateSuccessReceived: _late_success,
    events.LateSuccessReversed: _late_success_reversed,
    events.AuthorizationDeclined: _declined,
}
"""The table. Most of the log is of other events and is passed over unread."""

POSTS_NOTHING: Final[frozenset[type[Event]]] = frozenset(
    {
        events.PaymentIntentCreated,
        events.AuthorizationRequested,
        events.PspAttemptStarted,
        events.CaptureRequested,
        events.CaptureFailed,
        events.CancellationRequested,
        events.CancellationFailed,
        events.PaymentCanceled,
        events.PspOutcomeUnknown,
        events.ManualCaseOpened,
        events.MerchantRegistered,
        events.FeePlanSet,
        events.SettlementDelaySet,
        events.ApiKeyIssued,
        events.ApiKeyRevoked,
    }
)

assert RULES.keys() ^ POSTS_NOTHING == frozenset(get_args(Event)), "each event has a rule or is known to post nothing"


def post(recorded: RecordedEvent) -> tuple[LedgerTransaction, ...]:
    """The transactions of one event, in the order of the table; nothing for events that move no money.

    Raises:
        AssertionError: lines that do not sum to zero. The event breaks the contract and must not be posted.
    """
    rule = RULES.get(type(recorded.event))
    if rule is None:
        return ()
    transactions = []
    for posting in rule(recorded.event, recorded):
        lines = tuple([line for line in posting.lines if line.amount])
        if not lines:
            continue
        currency = posting.currency or recorded.envelope.currency
        assert currency is not None, f"event {recorded.event_id} moves money of no currency"
        transactions.append(
            LedgerTransaction(
                event_id=recorded.event_id,
                rule=posting.rule,
                currency=currency,
                lines=lines,
                subject=posting.subject,
                reverses=posting.reverses,
            )
        )
    return tuple(transactions)
