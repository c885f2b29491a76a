"""Commands on an intent: accepted, awaited, answered; conditions and preferences; what the aggregate refuses."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from command_api.conditions import VersionCondition
from command_api.preferences import preferred_wait_s
from tests.command_api.conversation import CARD, Client
from tests.command_api.psp_stand_in import DECLINE, PspStandIn


async def authorized(client: Client, psp: PspStandIn, **fields: Any) -> str:
    intent = (await client.create(authorize=True, payment_method=CARD, wait=0, **fields)).json()
    await psp.settle(intent["id"])
    return str(intent["id"])


async def captured(client: Client, psp: PspStandIn, **fields: Any) -> str:
    intent_id = await authorized(client, psp, **fields)
    await client.command(intent_id, "capture", wait=0)
    await psp.settle(intent_id)
    return intent_id


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("wait=7", 7),
        ("wait=0", 0),
        ("wait=31", 30),
        ("wait=999999999", 30),
        ("wait=999999999999", 30),
        ("wait=" + "9" * 6000, 30),
        ("wait=000000000007", 7),
        ("WAIT = 3", 3),
        ('wait="4"', 4),
        ("respond-async, wait=10", 10),
        ("wait=2; foo=bar, return=minimal", 2),
        ("wait=1, wait=9", 1),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait", None),
        ("await=5", None),
        ("return=minimal", None),
    ],
)
def test_how_long_a_client_wants_to_wait(header: str | None, wait_s: int | None) -> None:
    assert preferred_wait_s(header) == wait_s


@pytest.mark.parametrize(
    ("header", "changes", "has"),
    [
        ('"3"', True, True),
        ('W/"3"', False, True),
        ("*", True, True),
        ('"1", "3"', True, True),
        ('"1", W/"3"', False, True),
        ('"2"', False, False),
        ("3", False, False),
        ('"03"', False, False),
        ('"three"', False, False),
        ('"1", , "3"', True, True),
        ("", False, False),
    ],
)
def test_which_versions_a_condition_names(header: str, changes: bool, has: bool) -> None:
    condition = VersionCondition(header)
    assert (condition.allows_change(3), condition.already_has(3)) == (changes, has)


async def test_a_payment_goes_from_authorization_to_refund(client: Client, psp: PspStandIn) -> None:
    intent_id = (await client.create()).json()["id"]
    sent = asyncio.create_task(client.command(intent_id, "authorize", {"payment_method": CARD}))
    await psp.settle_next(intent_id)
    answer = await sent
    assert (answer.status_code, answer.json()["status"]) == (200, "authorized")
    sent = asyncio.create_task(client.command(intent_id, "capture", {"amount": 6000}))
    await psp.settle_next(intent_id)
    answer = await sent
    assert (answer.status_code, answer.json()["status"]) == (200, "partially_captured")
    assert (answer.json()["amount_captured"], answer.json()["amount_capturable"]) == (6000, 4000)
    assert answer.json()["captures"][0]["platform_fee"] == 204
    sent = asyncio.create_task(client.command(intent_id, "refund", {"amount": 5000, "reason": "customer_request"}))
    await psp.settle_next(intent_id)
    answer = await sent
    assert answer.status_code == 200
    refund = answer.json()
    assert (refund["object"], refund["amount"], refund["status"]) == ("refund", 5000, "refunded")
    assert (refund["payment_intent_id"], refund["reason"]) == (intent_id, "customer_request")
    sent = asyncio.create_task(client.command(intent_id, "cancel", {"reason": "out_of_stock"}))
    await psp.settle_next(intent_id)
    answer = await sent
    assert (answer.status_code, answer.json()["amount_released"]) == (200, 4000)
    assert answer.json()["status"] == "partially_refunded"


async def test_the_answer_states_the_operations_own_end_and_not_what_came_later(
    client: Client, psp: PspStandIn
) -> None:
    intent_id = await authorized(client, psp)
    await client.command(intent_id, "capture", {"amount": 1000}, wait=0, key="first-1000")
    await psp.settle(intent_id)
    await client.command(intent_id, "capture", {"amount": 2000}, wait=0)
    await psp.settle(intent_id)
    answer = await client.command(intent_id, "capture", {"amount": 1000}, wait=0, key="first-1000")
    assert answer.json()["amount_captured"] == 1000
    now = await client.get(f"/v1/payment_intents/{intent_id}")
    assert now.json()["amount_captured"] == 3000
    assert int(answer.headers["ETag"].strip('"')) < int(now.headers["ETag"].strip('"'))


async def test_an_open_operation_is_answered_202_when_the_wait_is_over(client: Client, psp: PspStandIn) -> None:
    intent_id = await authorized(client, psp)
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await client.command(intent_id, "refund", wait=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_state")
    answer = await client.command(intent_id, "capture", wait=1)
    assert answer.status_code == 202
    assert 0.9 < loop.time() - began < 5
    assert answer.json()["captures"][0]["status"] == "processing"


@pytest.mark.parametrize("verb", ["capture", "cancel"])  # the one is hot, the other served by the framework
async def test_nobody_waits_for_an_outcome_whose_client_has_gone(client: Client, psp: PspStandIn, verb: str) -> None:
    intent_id = await authorized(client, psp)
    address = urlsplit(client.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = [f"POST /v1/payment_intents/{intent_id}/{verb} HTTP/1.1", "Host: here", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {client.api_key}", f"Idempotency-Key: gone-{verb}", "Prefer: wait=30"]
    writer.write("\r\n".join([*lines, "Content-Length: 2", "", "{}"]).encode())
    await until(somebody_waits)
    writer.close()
    await until(lambda: not somebody_waits())
    repeated = await client.command(intent_id, verb, key=f"gone-{verb}", wait=0)
    assert (repeated.status_code, repeated.headers["Idempotent-Replayed"]) == (202, "true")
    await psp.settle(intent_id)
    assert (await client.command(intent_id, verb, key=f"gone-{verb}")).status_code == 200


def somebody_waits() -> bool:
    """The store looks at its heads while, and only while, somebody waits."""
    return any(task.get_name() == "event store watch" for task in asyncio.all_tasks())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - tasks that end tell nobody
            await asyncio.sleep(0.01)


async def test_a_sale_is_answered_with_its_capture(client: Client, psp: PspStandIn) -> None:
    sale = {"capture_method": "automatic", "authorize": True, "payment_method": CARD}
    first = await client.create(**sale, wait=0, key="sale-1")
    waiting = asyncio.create_task(client.create(**sale, wait=10, key="sale-1"))
    await psp.settle(first.json()["id"])
    answer = await waiting
    assert (answer.status_code, answer.json()["status"], answer.json()["amount_captured"]) == (201, "captured", 10_000)


async def test_a_cancellation_of_what_was_never_authorized_has_ended_at_once(client: Client) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    intent_id = (await client.create()).json()["id"]
    answer = await client.command(intent_id, "cancel", key="never")
    assert loop.time() - began < 4, "nobody waits for what has ended"
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    again = await client.command(intent_id, "cancel", key="never", wait=0)
    assert (again.status_code, again.content) == (200, answer.content)
    other = await client.command(intent_id, "cancel")
    assert (other.status_code, other.json()["code"]) == (409, "invalid_state")
    assert (other.json()["status"], other.json()["current_status"]) == (409, "canceled")
    assert isinstance(other.json()["allowed"], list)


async def test_a_declined_intent_may_be_authorized_again(client: Client, psp: PspStandIn) -> None:
    intent_id = (await client.create()).json()["id"]
    await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0)
    await psp.settle(intent_id, decline=DECLINE)
    second = await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0)
    assert second.status_code == 202
    busy = await client.command(intent_id, "authorize", {"payment_method": CARD}, wait=0)
    assert (busy.status_code, busy.json()["code"]) == (409, "operation_in_progress")


async def test_no_more_is_refunded_than_was_captured(client: Client, psp: PspStandIn) -> None:
    intent_id = await captured(client, psp)
    answer = await client.command(intent_id, "refund", {"amount": 10_001})
    assert (answer.status_code, answer.json()["code"], answer.json()["available"]) == (
        422,
        "refund_exceeds_captured",
        10_000,
    )


async def test_upi_is_refused_until_personal_data_can_be_kept(client: Client) -> None:
    method = {"type": "upi", "payer_vpa": "payer@bank", "flow": "collect"}
    answer = await client.create(authorize=True, payment_method=method)
    assert (answer.status_code, answer.json()["code"]) == (422, "payment_method_not_supported")


async def test_if_match_guards_against_what_the_client_has_not_seen(client: Client, psp: PspStandIn) -> None:
    intent_id = await authorized(client, psp)
    seen = (await client.get(f"/v1/payment_intents/{intent_id}")).headers["ETag"]
    stale = await client.command(intent_id, "capture", {"amount": 1}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    weak = await client.command(intent_id, "capture", {"amount": 1}, headers={"If-Match": f"W/{seen}"})
    assert weak.status_code == 412
    for tags in (f'"1", {seen}', "*"):
        fits = await client.command(intent_id, "capture", {"amount": 1}, wait=0, headers={"If-Match": tags})
        assert fits.status_code == 202, tags
        await psp.settle(intent_id)
    seen = (await client.get(f"/v1/payment_intents/{intent_id}")).headers["ETag"]
    fits = await client.command(intent_id, "capture", {"amount": 1}, key="once", wait=0, headers={"If-Match": seen})
    assert fits.status_code == 202
    repeat = await client.command(intent_id, "capture", {"amount": 1}, key="once", wait=0, headers={"If-Match": seen})
    assert (repeat.status_code, repeat.headers["Idempotent-Replayed"]) == (202, "true")


@pytest.mark.parametrize(
    ("header", "well_formed"),
    [
        ("*", True),
        ('"3"', True),
        ('""', True),
        ('"a,b"', True),
        ('W/"1" , "\xe9"', True),
        (' ,"1", , "3",', True),
        ("", True),
        ("abc", False),
        ("3", False),
        ('"3', False),
        ('w/"3"', False),
        ('"1" "3"', False),
        ('"1", 3', False),
        ('*, "3"', False),
        ('"a b"', False),
        ('\xa0"3"', False),
    ],
)
def test_what_a_list_of_entity_tags_is(header: str, well_formed: bool) -> None:
    assert VersionCondition(header).well_formed is well_formed


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_no_entity_tag_is_refused_by_the_name_of_its_field(client: Client, known: bool) -> None:
    intent_id = (await client.create()).json()["id"]
    if known:
        await client.command(intent_id, "cancel", key="once")
    answer = await client.command(intent_id, "cancel", key="once", headers={"If-Match": "abc"})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("If-Match", "bad_format")]


async def test_if_none_match_saves_a_body(client: Client) -> None:
    created = await client.create()
    path = f"/v1/payment_intents/{created.json()['id']}"
    same = await client.get(path, headers={"If-None-Match": f'"99", W/{created.headers["ETag"]}'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", created.headers["ETag"])
    assert "Content-Type" not in same.headers
    other = await client.get(path, headers={"If-None-Match": '"99"'})
    assert other.status_code == 200


async def test_of_a_hundred_refunds_of_sixty_on_a_hundred_one_succeeds(client: Client, psp: PspStandIn) -> None:
    intent_id = await captured(client, psp, amount=100)
    answers = await asyncio.gather(*[client.command(intent_id, "refund", {"amount": 60}, wait=0) for _ in range(100)])
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [202] + [422] * 99
    assert {answer.json()["code"] for answer in answers if answer.status_code == 422} == {"refund_exceeds_captured"}
    await psp.settle(intent_id)
    intent = (await client.get(f"/v1/payment_intents/{intent_id}")).json()
    assert (intent["amount_refunded"], intent["amount_refund_pending"], len(intent["refunds"])) == (60, 0, 1)


async def test_of_a_hundred_captures_of_sixty_on_a_hundred_one_succeeds(client: Client, psp: PspStandIn) -> None:
    intent_id = await authorized(client, psp, amount=100)
    answers = await asyncio.gather(*[client.command(intent_id, "capture", {"amount": 60}, wait=0) for _ in range(100)])
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len(accepted) == 1
    refusals = {answer.json()["code"] for answer in answers if answer.status_code != 202}
    assert refusals <= {"capture_exceeds_authorized", "operation_in_progress"}
    await psp.settle(intent_id)
    intent = (await client.get(f"/v1/payment_intents/{intent_id}")).json()
    assert (intent["amount_captured"], intent["amount_capture_pending"]) == (60, 0)
