"""The PSP oracle, shown lines that are wrong on purpose."""

from functools import reduce
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from aggregates import payment_intent
from aggregates.payment_intent import PaymentIntent
from schemas.envelope import Actor, Envelope
from schemas.events import AuthorizationRequested, Event, PaymentIntentCreated, PspAttemptStarted
from schemas.events.psp import PspResult
from schemas.records import RecordedEvent
from tests.oracles.psp import faults_of_psp
from tests.processors.saga.harness import PLAN, card
from tests.projections.events import authorized

OPERATION, ATTEMPT, STREAM = (UUID(int=number << 64) for number in (1, 2, 3))
RESULT = PspResult(
    operation_id=OPERATION,
    attempt_id=ATTEMPT,
    psp="simulator",
    psp_account="default",
    psp_reference="pay_1",
    psp_operation_reference="pay_1",
    network_reference=None,
    psp_processed_at=1,
    resolved_by="http",
    tries=1,
    raw_sha256=None,
)
STARTED = PspAttemptStarted(
    attempt_id=ATTEMPT,
    operation_id=OPERATION,
    operation="authorize",
    psp="simulator",
    psp_account="default",
    psp_idempotency_key="key",
    our_reference="att_1",
    amount=100,
    currency="EUR",
    psp_amount=100,
    psp_exponent=2,
    attempt_no=1,
    route_reason="only_route",
    request_sha256="",
)
AUTHORIZED = replace(authorized(100), result=RESULT)


def intent(*answers: Event) -> PaymentIntent:
    created = PaymentIntentCreated(
        amount=100,
        currency="EUR",
        exponent=2,
        capture_method="manual",
        reference=None,
        statement_descriptor=None,
        metadata={},
        return_url=None,
        fee_plan=PLAN,
        settlement_delay_s=0,
    )
    asked = AuthorizationRequested(
        operation_id=OPERATION, kind="hold", amount=100, payment_method=card("tok"), initiator="cit", capture_id=None
    )
    envelope = Envelope(
        effective_at=1,
        merchant_id=STREAM,
        livemode=False,
        currency="EUR",
        actor=Actor(type="system", id="test"),
        source="http",
        correlation_id=OPERATION,
        causation_id=None,
        traceparent=None,
    )
    events: list[Event] = [created, asked, STARTED, *answers]
    recorded = [
        RecordedEvent(
            event=event,
            envelope=envelope,
            event_id=STREAM,
            stream_id=STREAM,
            version=version,
            shard=0,
            position=version,
            recorded_at=version,
        )
        for version, event in enumerate(events, start=1)
    ]
    return reduce(payment_intent.evolve, recorded, payment_intent.initial())


def line(**changes: Any) -> dict[str, Any]:
    return {
        "seq": 1,
        "operation": "payment",
        "reference": "att_1",
        "idempotency_key": "key",
        "amount": 100,
        "currency": "EUR",
        "result": "authorized",
        "fee": 0,
    } | changes


REVERSED = line(operation="reversal", result="voided", idempotency_key="key-reversal")


def test_a_true_story_has_no_fault() -> None:
    assert faults_of_psp([line()], [intent(AUTHORIZED)]) == []
    assert faults_of_psp([line(), line(result="expired", amount=40)], [intent(AUTHORIZED)]) == []
    assert faults_of_psp([line()], [intent()]) == [], "nobody has told the log yet"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([line(), line()], "succeeded 2 times"),
        ([line(idempotency_key="fresh")], "not the announced key"),
        ([line(), line(reference="att_2")], "no attempt announced"),
        ([line(amount=101)], "instead of what was announced"),
        ([line(currency="USD")], "instead of what was announced"),
        ([line(operation="capture", result="captured")], "done as capture"),
        ([], "the PSP did not do it"),
        ([line(), REVERSED], "the PSP did not do it"),
    ],
)
def test_a_wrong_story_is_found_out(lines: list[dict[str, Any]], fault: str) -> None:
    assert any(fault in found for found in faults_of_psp(lines, [intent(AUTHORIZED)]))
