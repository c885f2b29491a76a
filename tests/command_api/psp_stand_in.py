"""What the saga would append, in its words: whatever operations are open get the answer that the test chooses."""

from uuid import UUID

from aggregates import payment_intent
from aggregates.payment_intent import Operation, PaymentIntent
from aggregates.payment_intent.commands import Command, PspOutcome, RecordOutcome, StartAttempt
from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from event_store import EventStore, Stream
from schemas.envelope import Actor, Envelope
from schemas.events.psp import Decline, PspFee, PspResult
from schemas.identifiers import Prefix, derived_id, parse_public_id, shard_of

DECLINE = Decline(
    code="insufficient_funds", category="soft", psp_code="51", network_code="51", advice_code=None, retryable=True
)
HOLD_UNTIL = 4_102_444_800_000


class PspStandIn:
    """Appends to the store of another process than the API's, as the saga does."""

    def __init__(self, store: EventStore) -> None:
        self.store = store

    async def intent(self, public: str) -> PaymentIntent:
        return folded(await self.store.load(parse_public_id(Prefix.PAYMENT_INTENT, public)))

    async def settle(self, public: str, *, decline: Decline | None = None) -> int:
        """Answer every open operation of the intent; how many there were."""
        state = await self.intent(public)
        waiting = open_operations(state)
        for operation in waiting:
            await self._answer(state, operation, decline)
        return len(waiting)

    async def settle_next(self, public: str, *, decline: Decline | None = None) -> None:
        """Wait until the intent has an open operation, then answer it."""
        await self.store.wait_for(
            parse_public_id(Prefix.PAYMENT_INTENT, public),
            after_version=0,
            until=lambda stream: bool(open_operations(folded(stream))),
            deadline_s=10,
        )
        assert await self.settle(public, decline=decline)

    async def _answer(self, state: PaymentIntent, operation: Operation, decline: Decline | None) -> None:
        attempt_id = derived_id(shard_of(state.id), operation.id, 1)
        await self._execute(
            state,
            operation,
            StartAttempt(
                attempt_id=attempt_id,
                operation_id=operation.id,
                operation=operation.kind,
                psp="simulator",
                psp_account="main",
                psp_idempotency_key=str(attempt_id),
                our_reference=str(attempt_id),
                psp_amount=operation.amount,
                psp_exponent=state.exponent,
                attempt_no=1,
                route_reason="only_psp",
                request_sha256="0" * 64,
            ),
        )
        fee = PspFee(amount=0, currency=state.currency, status="known") if operation.kind == "capture" else None
        await self._execute(
            state,
            operation,
            RecordOutcome(
                attempt_id=attempt_id,
                outcome=PspOutcome(
                    result=_result(operation, attempt_id),
                    approved=decline is None,
                    amount=operation.amount,
                    fee=fee if decline is None else None,
                    decline=decline,
                    expires_at=HOLD_UNTIL,
                ),
                now_ms=SYSTEM_CLOCK.now_ms(),
            ),
        )

    async def _execute(self, state: PaymentIntent, operation: Operation, command: Command) -> None:
        envelope = Envelope(
            effective_at=SYSTEM_CLOCK.now_ms(),
            merchant_id=state.merchant_id,
            livemode=state.livemode,
            currency=state.currency,
            actor=Actor(type="saga", id="stand-in"),
            source="http",
            correlation_id=operation.id,
            causation_id=None,
            traceparent=None,
        )
        await self.store.execute(payment_intent, state.id, command, envelope=envelope, event_ids=SYSTEM_IDS)


def open_operations(state: PaymentIntent) -> list[Operation]:
    return [operation for operation in state.operations.values() if operation.ended_version is None]


def folded(stream: Stream) -> PaymentIntent:
    state = payment_intent.initial()
    for recorded in stream.records:
        state = payment_intent.evolve(state, recorded)
    return state


def _result(operation: Operation, attempt_id: UUID) -> PspResult:
    return PspResult(
        operation_id=operation.id,
        attempt_id=attempt_id,
        psp="simulator",
        psp_account="main",
        psp_reference="pay_1",
        psp_operation_reference=str(attempt_id),
        network_reference=None,
        psp_processed_at=None,
        resolved_by="http",
        tries=1,
        raw_sha256=None,
    )
