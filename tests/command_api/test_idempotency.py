"""The same key and the same request is the same command, whatever the first has come to meanwhile."""

import asyncio
import hashlib

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from bootstrap.merchant_desk import MerchantDesk
from bootstrap.processes.api import idempotency_hit_rate
from command_api.idempotency import parse_idempotency_key
from event_store import EventStore
from schemas.errors import IdempotencyKeyInvalid, IdempotencyKeyMissing, PanNotAllowed
from schemas.identifiers import Prefix, parse_public_id, public_id, shard_of
from tests.command_api.conversation import CARD, Client
from tests.command_api.psp_stand_in import DECLINE, PspStandIn


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("order-17", "order-17"),
        ('"order-17"', "order-17"),
        ("!", "!"),
        ('"', None),
        ('"open', None),
        ("", None),
        ('""', None),
        ("with blank", None),
        ('"with blank"', None),
        ("é", None),
        ("a" * 255, "a" * 255),
        ("a" * 256, None),
        ('"' + "a" * 255 + '"', "a" * 255),
        ('"' + "a" * 256 + '"', None),
        (r'"a\"b\\c"', r"a\"b\\c".replace('\\"', '"').replace("\\\\", "\\")),
        (r"a\b", r"a\b"),
        ('a"b', 'a"b'),
        (r'"a\b"', None),
        ("a\nb", None),
    ],
)
def test_how_a_key_is_spelled(header: str, key: str | None) -> None:
    if key is None:
        with pytest.raises(IdempotencyKeyInvalid):
            parse_idempotency_key(header)
    else:
        assert parse_idempotency_key(header) == key


def test_a_key_is_needed_and_is_no_card_number() -> None:
    with pytest.raises(IdempotencyKeyMissing):
        parse_idempotency_key(None)
    with pytest.raises(PanNotAllowed):
        parse_idempotency_key("4242424242424242")


async def test_new_commands_and_repeats_are_counted_and_their_share_is_told(client: Client) -> None:
    def counted() -> tuple[float, ...]:
        values = [REGISTRY.get_sample_value("guilder_commands_total", {"taken_as": word}) for word in ("new", "repeat")]
        return tuple(value or 0 for value in values)

    registry = CollectorRegistry()
    registry.register(idempotency_hit_rate())
    new, repeated = counted()
    for _ in range(4):
        assert (await client.create(key="counted")).status_code == 201
    assert (await client.create(key="counted", amount=7)).status_code == 422
    assert counted() == (new + 1, repeated + 3)
    assert registry.get_sample_value("idempotency_hit_rate") == 0.75


async def test_a_post_without_a_key_stores_nothing(client: Client, store: EventStore) -> None:
    before = sum((await store.heads()).values())
    answer = await client.http.post(
        f"{client.url}/v1/payment_intents", json={"amount": 1, "currency": "EUR"}, headers=client.headers()
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert sum((await store.heads()).values()) == before


async def test_a_repeat_gets_the_first_answer_and_a_mark(client: Client) -> None:
    first = await client.create(key="same-1", metadata={"a": "1", "b": "2"})
    assert "Idempotent-Replayed" not in first.headers
    again = await client.post(
        "/v1/payment_intents",
        b'{ "metadata": {"b":"\\u0032", "a":"1"}, "currency":"EUR",\n "amount": 10000 }',
        key='"same-1"',
    )
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    for name in ("ETag", "Guilder-Position", "Location"):
        assert again.headers[name] == first.headers[name]


async def test_a_repeat_gets_that_answer_also_after_the_intent_has_moved_on(client: Client, psp: PspStandIn) -> None:
    created = await client.create(key="moved-on-1")
    intent_id = created.json()["id"]
    await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0, key="moved-on-2")
    await psp.settle(intent_id)
    authorized = await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0, key="moved-on-2")
    await client.command(intent_id, "capture", {"amount": 4000}, wait=0, key="moved-on-3")
    await psp.settle(intent_id)
    again = await client.create(key="moved-on-1")
    assert (again.status_code, again.content) == (201, created.content)
    still = await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0, key="moved-on-2")
    assert (still.status_code, still.content) == (200, authorized.content)
    assert still.json()["status"] == "authorized"


async def test_a_key_with_another_request_is_refused(client: Client) -> None:
    intent_id = (await client.create(key="reused-1")).json()["id"]
    answers = [
        await client.create(key="reused-1", amount=10_001),
        await client.create(key="reused-1", reference="other"),
        await client.command(intent_id, "cancel", key="reused-1"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(422, "idempotency_key_reused")}


async def test_the_same_body_on_another_path_is_another_request(client: Client) -> None:
    first, second = [(await client.create()).json()["id"] for _ in range(2)]
    assert (await client.command(first, "cancel", key="paths-1")).status_code == 200
    other_object = await client.command(second, "cancel", key="paths-1")
    other_verb = await client.command(first, "capture", key="paths-1")
    assert [(one.status_code, one.json()["code"]) for one in (other_object, other_verb)] == [
        (422, "idempotency_key_reused")
    ] * 2
    lower_case = await client.command("pi_" + first[3:].lower(), "cancel", key="paths-1")
    assert (lower_case.status_code, lower_case.headers["Idempotent-Replayed"]) == (200, "true")


async def test_keys_of_live_and_test_mode_do_not_meet(desk: MerchantDesk, client: Client, operator: Client) -> None:
    merchant_id = await desk.register("Both modes", "DE")
    live, test = [
        Client(client.http, client.url, (await desk.issue_key(merchant_id, livemode=mode)).text)
        for mode in (True, False)
    ]
    answers = [await live.create(key="modes-1"), await test.create(key="modes-1", amount=7)]
    assert [(answer.status_code, answer.json()["livemode"]) for answer in answers] == [(201, True), (201, False)]
    # The operator's command has the key of the merchant and the mode that it acts for.
    body = {"amount": 1, "currency": "EUR", "merchant_id": public_id(Prefix.MERCHANT, merchant_id), "livemode": True}
    assert (await operator.post("/v1/payment_intents", body, key="modes-1")).json()["code"] == "idempotency_key_reused"


async def test_the_log_keeps_the_key_and_the_request_as_the_contract_hashes_them(
    client: Client, store: EventStore
) -> None:
    """Whoever writes or checks a log elsewhere computes both from the contract alone."""

    def framed(domain: bytes, *fields: bytes) -> bytes:
        return hashlib.sha256(domain + b"\0" + b"".join(len(field).to_bytes(4) + field for field in fields)).digest()

    intent = (await client.create(key='"hashed-1"')).json()
    await client.command(intent["id"], "cancel", {"reason": "é"}, key="hashed-2")
    stream_id, merchant_id = (
        parse_public_id(prefix, intent[name])
        for prefix, name in ((Prefix.PAYMENT_INTENT, "id"), (Prefix.MERCHANT, "merchant_id"))
    )
    records = await store.read(shard_of(stream_id), 0, 100_000)
    created, canceled = [record for record in records if record.stream_id == stream_id]
    path = b"/v1/payment_intents"
    for record, key, request in (
        (created, b"hashed-1", (path, b'{"amount":10000,"currency":"EUR"}')),
        (canceled, b"hashed-2", (f"{path.decode()}/{intent['id']}/cancel".encode(), '{"reason":"é"}'.encode())),
    ):
        assert record.command_key is not None
        assert record.command_key.bytes == framed(b"guilder/command/v1", merchant_id.bytes, b"test", key)[:16]
        assert record.request_hash == framed(b"guilder/request/v1", b"POST", *request)


async def test_keys_of_two_merchants_and_of_two_intents_paths_do_not_meet(client: Client, stranger: Client) -> None:
    mine, theirs = await client.create(key="shared"), await stranger.create(key="shared")
    assert mine.status_code == theirs.status_code == 201
    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_repeat_of_a_capture_is_not_refused_by_what_the_capture_left(client: Client, psp: PspStandIn) -> None:
    intent_id = await authorized(client, psp)
    first = await client.command(intent_id, "capture", wait=0, key="all-of-it")
    assert first.status_code == 202
    await psp.settle(intent_id)
    repeat = await client.command(intent_id, "capture", key="all-of-it")
    assert (repeat.status_code, repeat.json()["status"]) == (200, "captured")
    assert repeat.headers["Idempotent-Replayed"] == "true"
    another = await client.command(intent_id, "capture", key="once-more")
    assert another.status_code in {409, 422}


async def test_a_repeat_waits_like_the_first_and_answers_202(client: Client, psp: PspStandIn) -> None:
    intent_id = await authorized(client, psp)
    first = await client.command(intent_id, "capture", {"amount": 100}, wait=0, key="still-open")
    repeat = await client.command(intent_id, "capture", {"amount": 100}, wait=1, key="still-open")
    assert (first.status_code, repeat.status_code) == (202, 202)
    assert repeat.json() == first.json()
    assert repeat.headers["Preference-Applied"] == "wait=1"
    waiting = asyncio.create_task(client.command(intent_id, "capture", {"amount": 100}, key="still-open"))
    await psp.settle_next(intent_id)
    assert (await waiting).status_code == 200


async def test_a_rejected_command_leaves_its_key_free(client: Client, psp: PspStandIn) -> None:
    intent_id = await authorized(client, psp)
    refused = await client.command(intent_id, "capture", {"amount": 10_001}, key="free-again")
    assert (refused.status_code, refused.json()["code"]) == (422, "capture_exceeds_authorized")
    assert refused.json()["available"] == 10_000
    accepted = await client.command(intent_id, "capture", {"amount": 10_000}, wait=0, key="free-again")
    assert accepted.status_code == 202


async def test_a_repeated_decline_is_the_same_decline(client: Client, psp: PspStandIn) -> None:
    intent_id = (await client.create()).json()["id"]
    await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0, key="declined-1")
    await psp.settle(intent_id, decline=DECLINE)
    await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0, key="declined-2")
    repeat = await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0, key="declined-1")
    assert (repeat.status_code, repeat.json()["status"]) == (200, "declined")


async def test_fifty_at_once_are_one(client: Client, store: EventStore) -> None:
    before = await store.heads()
    answers = await asyncio.gather(*[client.create(key="fifty", reference="fifty") for _ in range(50)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    shard = shard_of(parse_public_id(Prefix.PAYMENT_INTENT, answers[0].json()["id"]))
    after = await store.heads()
    assert after[shard] - before[shard] == 1


async def authorized(client: Client, psp: PspStandIn) -> str:
    intent = (await client.create(authorize=True, payment_method=CARD, wait=0)).json()
    await psp.settle(intent["id"])
    return str(intent["id"])
