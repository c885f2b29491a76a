"""What the saga puts into the log beside the decision itself: envelopes, attempts, and where a PSP's answer came from."""

import re
from collections.abc import AsyncIterator

import pytest_asyncio

from aggregates.payment_intent.state import PaymentIntent
from schemas.envelope import API_VERSION, Actor, Envelope
from schemas.events import (
    FundsMadeAvailable,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentIntentCreated,
    PspAttemptStarted,
    PspOutcomeUnknown,
)
from schemas.events.psp import PspResult
from schemas.identifiers import Prefix, derived_id, public_id
from schemas.records import RecordedEvent
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.oracles.psp import simulator_log
from tests.processors.saga.harness import SHARD, RunningSaga, running_saga, worker_options

SHA256 = re.compile(r"[0-9a-f]{64}")


@pytest_asyncio.fixture
async def saga(saga_database: str, fast_psp: SimulatorProcess) -> AsyncIterator[RunningSaga]:
    """One that waits for its PSP: on a busy machine an answer that is late would be told as another story."""
    options = worker_options(lease_s=20.0)
    async with running_saga(saga_database, fast_psp.url, options=options, deadline_s=10.0) as running:
        yield running


async def told(saga: RunningSaga, token: str) -> tuple[PaymentIntent, list[RecordedEvent]]:
    """A sale that has ended and whose money is available, and all that the log holds of it."""
    intent = await saga.shop.order(token, method="automatic")
    state = await saga.shop.until(intent, lambda state: any(lot.available for lot in state.lots.values()))
    return state, list((await saga.store.load(intent)).records)


def only(kind: type, records: list[RecordedEvent]) -> RecordedEvent:
    (found,) = [recorded for recorded in records if isinstance(recorded.event, kind)]
    return found


async def test_each_envelope_says_who_acted_why_and_since_when(saga: RunningSaga) -> None:
    state, records = await told(saga, "tok_ok")
    asked, started, available = records[1], only(PspAttemptStarted, records), only(FundsMadeAvailable, records)
    authorized, captured = only(PaymentAuthorized, records), only(PaymentCaptured, records)
    (operation_id,) = state.operations

    def envelope(recorded: RecordedEvent, actor: str, source: str, cause: RecordedEvent, at_ms: int) -> Envelope:
        return Envelope(
            effective_at=at_ms,
            merchant_id=saga.shop.merchant_id,
            livemode=False,
            currency="EUR",
            actor=Actor(type=actor, id="payment_saga"),  # type: ignore[arg-type]
            source=source,  # type: ignore[arg-type]
            correlation_id=operation_id,
            causation_id=cause.event_id,
            traceparent=None,
            api_version=API_VERSION,
        )

    assert isinstance(records[0].event, PaymentIntentCreated)
    assert isinstance(captured.event, PaymentCaptured)
    begun_at = started.envelope.effective_at
    assert abs(begun_at - started.recorded_at) < 5000
    assert started.envelope == envelope(started, "saga", "http", asked, begun_at)
    processed_at = captured.event.result.psp_processed_at
    assert processed_at is not None
    for answer in (authorized, captured):
        assert answer.envelope == envelope(answer, "saga", "http", started, processed_at)
    expected = envelope(available, "timer", "timer", captured, captured.event.available_on)
    assert available.envelope == expected


async def test_an_attempt_and_its_answer_lead_to_the_psps_own_books(
    saga: RunningSaga, fast_psp: SimulatorProcess
) -> None:
    state, records = await told(saga, "tok_ok")
    started, captured = only(PspAttemptStarted, records).event, only(PaymentCaptured, records).event
    assert isinstance(started, PspAttemptStarted)
    assert isinstance(captured, PaymentCaptured)
    (operation_id,) = state.operations
    attempt_id = derived_id(SHARD, operation_id, 1)
    reference = public_id(Prefix.ATTEMPT, attempt_id)
    assert SHA256.fullmatch(started.request_sha256)
    assert started == PspAttemptStarted(
        attempt_id=attempt_id,
        operation_id=operation_id,
        operation="authorize",
        psp="simulator",
        psp_account="default",
        psp_idempotency_key=reference,
        our_reference=reference,
        amount=10_000,
        currency="EUR",
        psp_amount=10_000,
        psp_exponent=2,
        attempt_no=1,
        route_reason="only_route",
        request_sha256=started.request_sha256,
    )
    (line,) = [line for line in await simulator_log(fast_psp.url) if line["reference"] == reference]
    assert line["idempotency_key"] == started.psp_idempotency_key
    result = captured.result
    assert result.raw_sha256 is not None
    assert SHA256.fullmatch(result.raw_sha256)
    assert result.network_reference
    assert result == PspResult(
        operation_id=operation_id,
        attempt_id=attempt_id,
        psp="simulator",
        psp_account="default",
        psp_reference=line["id"],
        psp_operation_reference=line["id"],
        network_reference=result.network_reference,
        psp_processed_at=result.psp_processed_at,
        resolved_by="http",
        tries=1,
        raw_sha256=result.raw_sha256,
    )
    authorized = only(PaymentAuthorized, records).event
    assert isinstance(authorized, PaymentAuthorized)
    assert (authorized.result, bool(authorized.approval_code)) == (result, True)


async def test_what_nobody_knows_is_told_with_what_is_at_stake_and_what_comes_next(saga: RunningSaga) -> None:
    state, records = await told(saga, "tok_http500_after")
    first, *later = [recorded for recorded in records if isinstance(recorded.event, PspOutcomeUnknown)]
    (attempt,) = state.attempts.values()
    unknown = first.event
    assert isinstance(unknown, PspOutcomeUnknown)
    assert unknown == PspOutcomeUnknown(
        operation_id=attempt.operation_id,
        attempt_id=attempt.id,
        cause="5xx",
        http_status=500,
        tries=1,
        exposure=10_000,
        next_step="retry",
        next_at=unknown.next_at,
    )
    steps = await saga.steps("subject = $1", attempt.id)
    due_at = {row["try"] - 1: row["due_at"] for row in steps if row["try"] > 1}
    assert {
        recorded.event.tries: recorded.event.next_at
        for recorded in (first, *later)
        if isinstance(recorded.event, PspOutcomeUnknown)
    } == due_at
    sources = [recorded.envelope.source for recorded in (first, *later)]
    assert sources == ["http", *["retry"] * 5]
    captured = only(PaymentCaptured, records)
    assert isinstance(captured.event, PaymentCaptured)
    assert captured.envelope.source == captured.event.result.resolved_by == "inquiry"
    assert captured.event.result.tries == 7
