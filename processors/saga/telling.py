"""The saga's side of the log: folding an intent, and telling it what happened, each thing once."""

from collections.abc import Sequence
from functools import reduce
from uuid import UUID

import msgspec
import structlog

from aggregates import payment_intent
from aggregates.payment_intent import PaymentIntent
from aggregates.payment_intent.commands import Command
from event_store import AlreadyDone, EventStore
from event_store.tracing import TRACING
from processors.saga.durations import observe
from processors.saga.steps import ClaimedStep
from schemas.clock import Clock, IdFactory
from schemas.envelope import Actor, Envelope
from schemas.events import PspAttemptStarted
from schemas.events.psp import Source
from schemas.records import RecordedEvent

SAGA = Actor(type="saga", id="payment_saga")
TIMER = Actor(type="timer", id="payment_saga")


class Intent(msgspec.Struct, frozen=True):
    """A payment intent as of now: its state and the events that led to it."""

    state: PaymentIntent
    records: Sequence[RecordedEvent]


class Log:
    """Reads and tells one intent at a time. Raises what the event store raises, `AlreadyDone` excepted."""

    def __init__(self, store: EventStore, clock: Clock, ids: IdFactory) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def read(self, step: ClaimedStep) -> Intent:
        """The step's intent, fresh. Whatever the step's task logs from here on names the payment."""
        stream = await self._store.load(step.stream_id)
        if stream.records:
            ids = stream.records[0].envelope.named_ids(step.stream_id) | {"correlation_id": str(step.operation_id)}
            structlog.contextvars.bind_contextvars(**ids)
            TRACING.note(**ids)
        return Intent(reduce(payment_intent.evolve, stream.records, payment_intent.initial()), stream.records)

    async def tell(
        self,
        step: ClaimedStep,
        intent: Intent,
        command: Command,
        *,
        key: UUID,
        source: Source,
        actor: Actor = SAGA,
        effective_at: int | None = None,
    ) -> Intent:
        """Have the aggregate decide `command`, unless it was decided under `key` before; the intent afterwards.

        Raises:
            Rejected: the aggregate refuses, or the store is overloaded or away.
        """
        envelope = Envelope(
            effective_at=self._clock.now_ms() if effective_at is None else effective_at,
            merchant_id=intent.state.merchant_id,
            livemode=intent.state.livemode,
            currency=intent.state.currency,
            actor=actor,
            source=source,
            correlation_id=step.operation_id,
            causation_id=_cause(step, intent),
            traceparent=TRACING.traceparent() or step.traceparent,
        )
        try:
            executed = await self._store.execute(
                payment_intent, step.stream_id, command, envelope=envelope, event_ids=self._ids, command_key=key
            )
        except AlreadyDone:
            return await self.read(step)
        observe(executed.appended, executed.stream.records)
        return Intent(executed.state, executed.stream.records)


def _cause(step: ClaimedStep, intent: Intent) -> UUID:
    """What came of a call was caused by the attempt's start; the start, and a timer's event, by the step's own cause."""
    for recorded in reversed(intent.records):
        if isinstance(recorded.event, PspAttemptStarted) and recorded.event.attempt_id == step.subject:
            return recorded.event_id
    return step.cause_id
