"""A payment intent is created, durable when the answer comes, and read back as it is."""

from bootstrap.merchant_desk import MerchantDesk
from event_store import EventStore
from schemas.envelope import Actor, Envelope
from schemas.events import AuthorizationRequested, PaymentCaptured, PaymentIntentCreated
from schemas.events.fees import IntentFeePlan, PlatformFee
from schemas.identifiers import Prefix, parse_public_id, public_id, shard_of
from tests.command_api.conversation import CARD, Client
from tests.command_api.psp_stand_in import DECLINE, PspStandIn


async def test_a_created_intent_stands_in_the_log_with_its_merchants_terms(client: Client, store: EventStore) -> None:
    answer = await client.create(reference="order-17", metadata={"cart": "8812"}, statement_descriptor="ACME 17")
    assert answer.status_code == 201, answer.text
    intent = answer.json()
    assert intent["status"] == "created"
    assert (intent["amount"], intent["currency"], intent["capture_method"]) == (10_000, "EUR", "manual")
    assert intent["metadata"] == {"cart": "8812"}
    assert intent["livemode"] is False
    stream_id = parse_public_id(Prefix.PAYMENT_INTENT, intent["id"])
    (recorded,) = (await store.load(stream_id)).records
    assert isinstance(recorded.event, PaymentIntentCreated)
    assert (recorded.event.fee_plan.rate_ppm, recorded.event.fee_plan.fixed) == (29_000, 30)
    assert recorded.event.settlement_delay_s == 172_800
    assert recorded.envelope.currency == "EUR"
    assert recorded.envelope.correlation_id is not None
    assert answer.headers["Guilder-Position"] == f"{shard_of(stream_id)}:{recorded.position}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/v1/payment_intents/{intent['id']}"


async def test_the_terms_of_its_creation_stay_whatever_is_agreed_later(
    desk: MerchantDesk, client: Client, store: EventStore, psp: PspStandIn
) -> None:
    merchant_id = await desk.register("Other terms", "DE")
    shopper = Client(client.http, client.url, (await desk.issue_key(merchant_id, livemode=False)).text)
    await desk.set_fee_plan(
        merchant_id, rate_ppm=10_000, fixed={"EUR": 5, "USD": 6}, refund_fee={"EUR": 7}, returned_on_refund=True
    )
    await desk.set_settlement_delay(merchant_id, 60)
    answer = await shopper.create()
    await desk.set_fee_plan(merchant_id, rate_ppm=90_000, fixed={}, refund_fee={})
    await desk.set_settlement_delay(merchant_id, 3600)
    stream_id = parse_public_id(Prefix.PAYMENT_INTENT, answer.json()["id"])
    (created,) = (await store.load(stream_id)).records
    assert isinstance(created.event, PaymentIntentCreated)
    assert created.event.fee_plan == IntentFeePlan(
        version=1, rate_ppm=10_000, fixed=5, refund_fee=7, returned_on_refund=True, rounding="half_up"
    )
    assert created.event.settlement_delay_s == 60

    await shopper.command(answer.json()["id"], "authorize", {"payment_method": CARD}, wait=0)
    await psp.settle(answer.json()["id"])
    await shopper.command(answer.json()["id"], "capture", wait=0)
    await psp.settle(answer.json()["id"])
    captured = (await store.load(stream_id)).records[-1]
    assert isinstance(captured.event, PaymentCaptured)
    assert captured.event.platform_fee == PlatformFee(percent=100, fixed=5, total=105)
    assert 50_000 < captured.event.available_on - captured.recorded_at <= 60_000


async def test_what_is_read_back_is_what_was_answered(client: Client) -> None:
    created = await client.create(return_url="https://shop.example/back")
    read = await client.get(f"/v1/payment_intents/{created.json()['id']}")
    assert read.status_code == 200
    assert read.json() == created.json()
    assert read.headers["ETag"] == created.headers["ETag"]
    lower = await client.get(f"/v1/payment_intents/{'pi_' + created.json()['id'][3:].lower()}")
    assert lower.json() == created.json()


async def test_with_authorize_the_answer_waits_for_the_outcome(client: Client, psp: PspStandIn) -> None:
    first = await client.create(authorize=True, payment_method={"type": "card", "token": "tok_ok"}, wait=0)
    assert first.status_code == 202
    assert first.headers["Preference-Applied"] == "wait=0"
    assert first.json()["status"] == "processing"
    await psp.settle(first.json()["id"])
    read = await client.get(f"/v1/payment_intents/{first.json()['id']}")
    assert (read.json()["status"], read.json()["amount_capturable"]) == ("authorized", 10_000)


async def test_a_decline_is_an_answer_and_not_an_error(client: Client, psp: PspStandIn) -> None:
    method = {"type": "wallet", "provider": "apple_pay", "token": "tok_1"}
    first = await client.create(authorize=True, payment_method=method, wait=0, key="decline-1")
    await psp.settle(first.json()["id"], decline=DECLINE)
    answer = await client.create(authorize=True, payment_method=method, wait=0, key="decline-1")
    assert answer.status_code == 201
    assert answer.json()["status"] == "declined"
    assert answer.json()["last_payment_error"]["code"] == "insufficient_funds"


async def test_an_envelope_says_whose_key_asked_in_which_operation(
    desk: MerchantDesk, client: Client, store: EventStore
) -> None:
    merchant_id = await desk.register("Enveloped", "DE")
    key = await desk.issue_key(merchant_id, livemode=True)
    shopper = Client(client.http, client.url, key.text)
    answer = await shopper.create(currency="USD", authorize=True, payment_method=CARD, initiator="mit", wait=0)
    asked = await shopper.create(currency="USD")
    await shopper.command(asked.json()["id"], "authorize", {"payment_method": CARD, "initiator": "mit"}, wait=0)
    for intent, operations in ((answer, 1), (asked, 2)):
        created, requested = (await store.load(parse_public_id(Prefix.PAYMENT_INTENT, intent.json()["id"]))).records
        assert isinstance(requested.event, AuthorizationRequested)
        assert requested.event.initiator == "mit"
        assert requested.envelope.correlation_id == requested.event.operation_id
        assert len({recorded.envelope.correlation_id for recorded in (created, requested)}) == operations
        for recorded in (created, requested):
            envelope = recorded.envelope
            assert abs(envelope.effective_at - recorded.recorded_at) < 5000
            assert envelope == Envelope(
                effective_at=envelope.effective_at,
                merchant_id=merchant_id,
                livemode=True,
                currency="USD",
                actor=Actor(type="api_key", id=public_id(Prefix.API_KEY, key.key_id)),
                source="http",
                correlation_id=envelope.correlation_id,
                causation_id=None,
                traceparent=None,
                api_version="2026-11-01",
            )


async def test_a_trace_goes_into_the_envelope(client: Client, store: EventStore) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await client.post("/v1/payment_intents", {"amount": 1, "currency": "JPY"}, headers={"traceparent": trace})
    broken = await client.post(
        "/v1/payment_intents", {"amount": 1, "currency": "JPY"}, headers={"traceparent": "00-nonsense"}
    )
    kept = []
    for created in (answer, broken):
        (recorded,) = (await store.load(parse_public_id(Prefix.PAYMENT_INTENT, created.json()["id"]))).records
        kept.append(recorded.envelope.traceparent)
    assert kept == [trace, None]
