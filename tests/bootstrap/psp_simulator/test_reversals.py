"""A reversal by reference: afterwards the operation stands for nothing, whatever it was, and can never arrive."""

from typing import Any

import pytest

from tests.bootstrap.psp_simulator.server import Client, code, fresh


async def test_a_hold_is_voided(psp: Client) -> None:
    payment = await psp.pay(amount=500)
    reversal = await psp.reverse(payment["reference"])
    assert reversal["id"].startswith("rev_")
    assert (reversal["operation"], reversal["reference"]) == ("reversal", payment["reference"])
    assert (reversal["status"], reversal["target"], reversal["amount"], reversal["fee"]) == (
        "voided",
        "payment",
        500,
        0,
    )
    assert (await psp.found(payment["reference"]))["status"] == "reversed"
    assert await psp.story(payment["reference"]) == [("payment", "authorized", 500, 0), ("reversal", "voided", 500, 0)]
    follow_up = await psp.post(f"/v1/payments/{payment['id']}/captures", {"reference": fresh("att"), "amount": 1})
    assert code(follow_up) == (409, "invalid_state")


async def test_a_sale_is_refunded_with_its_fee(psp: Client) -> None:
    sale = await psp.pay(amount=10_000, capture=True)
    reversal = await psp.reverse(sale["reference"])
    assert (reversal["status"], reversal["amount"], reversal["fee"]) == ("refunded", 10_000, -110)
    assert await psp.story(sale["reference"]) == [
        ("payment", "captured", 10_000, 110),
        ("reversal", "refunded", 10_000, -110),
    ]
    refund = await psp.post(f"/v1/payments/{sale['id']}/refunds", {"reference": fresh("att"), "amount": 1})
    assert code(refund) == (409, "invalid_state")


async def test_a_reversed_capture_is_on_hold_again_with_what_it_let_go(psp: Client) -> None:
    payment = await psp.pay(amount=10_000)
    capture = await psp.capture(payment, 6_000, final=True)
    reversal = await psp.reverse(capture["reference"])
    assert (reversal["status"], reversal["target"]) == ("refunded", "capture")
    assert (reversal["amount"], reversal["fee"]) == (6_000, -66)
    assert (await psp.found(capture["reference"]))["status"] == "reversed"
    now = await psp.found(payment["reference"])
    assert (now["amount_captured"], now["amount_released"]) == (0, 0)
    assert (await psp.capture(payment, 10_000))["status"] == "captured"


async def test_a_reversed_refund_or_void_is_as_if_it_had_never_been(psp: Client) -> None:
    payment = await psp.pay(amount=100)
    await psp.capture(payment, 60)
    refund, void = await psp.refund(payment, 60), await psp.void(payment)
    for operation in (refund, void):
        reversal = await psp.reverse(operation["reference"])
        assert (reversal["status"], reversal["amount"]) == ("voided", operation["amount"])
    now = await psp.found(payment["reference"])
    assert (now["amount_captured"], now["amount_released"], now["amount_refunded"]) == (60, 0, 0)
    assert (await psp.void(payment))["amount"] == 40


@pytest.mark.parametrize("operation", ["payment", "capture", "refund"])
async def test_a_pending_operation_is_stopped(psp: Client, operation: str) -> None:
    if operation == "payment":
        target = (await psp.post("/v1/payments", psp.payment("tok_pending_ok"))).json()
    else:
        payment = await psp.pay(f"tok_ok+{operation}=pending_ok")
        if operation == "refund":
            await psp.capture(payment, 10_000)
        body = {"reference": fresh("att"), "amount": 10_000}
        target = (await psp.post(f"/v1/payments/{payment['id']}/{operation}s", body)).json()
    assert target["status"] == "pending"
    assert (await psp.reverse(target["reference"]))["status"] == "voided"
    await psp.advance(20)
    assert (await psp.found(target["reference"]))["status"] == "reversed"
    assert await psp.story(target["reference"]) == [
        (operation, "pending", 10_000, 0),
        ("reversal", "voided", 10_000, 0),
    ]


async def test_an_unknown_reference_is_tombstoned_for_ever(psp: Client) -> None:
    body, key = psp.payment(), fresh("key")
    first = await psp.reverse(body["reference"])
    assert (first["status"], first["target"], first["amount"], first["currency"]) == ("tombstoned", None, 0, None)
    assert (await psp.reverse(body["reference"]))["status"] == "tombstoned"
    for _ in range(2):
        assert code(await psp.post("/v1/payments", body, key=key)) == (409, "reference_tombstoned")
    payment = await psp.pay()
    capture = {"reference": body["reference"], "amount": 1}
    assert code(await psp.post(f"/v1/payments/{payment['id']}/captures", capture)) == (409, "reference_tombstoned")
    assert (await psp.inquire(body["reference"])).status_code == 404
    assert await psp.story(body["reference"]) == [("reversal", "tombstoned", 0, 0)]


async def test_what_stands_for_nothing_needs_no_reversal(psp: Client) -> None:
    declined = await psp.pay("tok_decline")
    reversed_before = await psp.pay()
    await psp.reverse(reversed_before["reference"])
    voided = await psp.pay()
    await psp.void(voided)
    for payment in (declined, reversed_before, voided):
        before = await psp.story(payment["reference"])
        assert (await psp.reverse(payment["reference"]))["status"] == "not_needed"
        assert await psp.story(payment["reference"]) == before


async def test_nothing_is_taken_from_under_later_operations(psp: Client) -> None:
    payment = await psp.pay(amount=100)
    capture = await psp.capture(payment, 60)
    await psp.refund(payment, 10)
    for target in (payment, capture):
        answer = await psp.post("/v1/reversals", {"reference": target["reference"]})
        assert code(answer) == (409, "invalid_state")
    now = await psp.found(payment["reference"])
    assert (now["amount_captured"], now["amount_refunded"], now["status"]) == (60, 10, "authorized")


async def test_a_reversal_repeated_under_its_key_replays_its_answer(psp: Client) -> None:
    payment, key = await psp.pay(), fresh("key")
    body: dict[str, Any] = {"reference": payment["reference"]}
    first, second = [await psp.post("/v1/reversals", body, key=key) for _ in range(2)]
    assert (second.content, second.headers["idempotent-replayed"]) == (first.content, "true")


async def test_a_late_repeat_of_a_reversed_payment_replays_but_revives_nothing(psp: Client) -> None:
    body, key = psp.payment(), fresh("key")
    first = await psp.post("/v1/payments", body, key=key)
    await psp.reverse(body["reference"])
    assert (await psp.post("/v1/payments", body, key=key)).content == first.content
    assert (await psp.found(body["reference"]))["status"] == "reversed"
