"""What payments, captures, refunds and voids do to the money, over HTTP."""

import pytest

from tests.bootstrap.psp_simulator.server import Client, code, fresh

DAY_S = 86_400


async def test_a_hold_is_authorized_for_seven_days(psp: Client) -> None:
    body = psp.payment(amount=12_345, return_url=None)
    now = (await psp.http.get("/sim/clock")).json()["now"]
    payment = await psp.done("/v1/payments", body)
    assert payment["id"].startswith("pay_")
    assert payment["payment_id"] == payment["id"]
    assert (payment["operation"], payment["reference"]) == ("payment", body["reference"])
    assert (payment["status"], payment["amount"], payment["currency"]) == ("authorized", 12_345, "EUR")
    assert payment["fee"] == 0
    assert payment["decline"] is None
    assert payment["action"] is None
    assert len(payment["approval_code"]) == 6
    assert payment["processed_at"] == now
    assert await psp.story(body["reference"]) == [("payment", "authorized", 12_345, 0)]
    await psp.advance(7 * DAY_S - 1)
    assert (await psp.capture(payment, 1))["status"] == "captured"
    await psp.advance(1)
    late = await psp.post(f"/v1/payments/{payment['id']}/captures", {"reference": fresh("att"), "amount": 1})
    assert code(late) == (409, "authorization_expired")
    assert await psp.story(body["reference"]) == [
        ("payment", "authorized", 12_345, 0),
        ("payment", "expired", 12_344, 0),
    ]
    after = await psp.found(body["reference"])
    assert (after["status"], after["amount_captured"], after["amount_released"]) == ("authorized", 1, 12_344)


async def test_a_hold_of_which_nothing_was_captured_expires(psp: Client) -> None:
    payment = await psp.pay()
    await psp.advance(7 * DAY_S)
    assert (await psp.found(payment["reference"]))["status"] == "expired"
    void = await psp.post(f"/v1/payments/{payment['id']}/voids", {"reference": fresh("att")})
    assert code(void) == (409, "authorization_expired")


async def test_a_sale_is_captured_at_once_with_its_fee(psp: Client) -> None:
    sale = await psp.pay(amount=10_000, capture=True)
    assert (sale["status"], sale["fee"], sale["amount_captured"]) == ("captured", 110, 10_000)
    assert sale["capture_before"] is None
    assert await psp.story(sale["reference"]) == [("payment", "captured", 10_000, 110)]
    assert (await psp.refund(sale, 10_000))["status"] == "refunded"


@pytest.mark.parametrize(
    ("amount", "fee"), [(1, 0), (45, 0), (46, 1), (136, 1), (137, 2), (6000, 66), (3000, 33), (50, 1), (500, 6)]
)
async def test_the_fee_is_eleven_thousandths_rounded_half_up(psp: Client, amount: int, fee: int) -> None:
    payment = await psp.pay(amount=amount)
    capture = await psp.capture(payment, amount)
    assert capture["fee"] == fee
    assert await psp.story(capture["reference"]) == [("capture", "captured", amount, fee)]


async def test_captures_void_and_refunds_of_one_payment_add_up(psp: Client) -> None:
    payment = await psp.pay(amount=10_000)
    first, second = await psp.capture(payment, 6_000), await psp.capture(payment, 3_000)
    assert (first["fee"], second["fee"], first["final"]) == (66, 33, False)
    void = await psp.void(payment)
    assert (void["status"], void["amount"], void["fee"]) == ("voided", 1_000, 0)
    refund = await psp.refund(payment, 5_000)
    assert (refund["operation"], refund["status"], refund["amount"], refund["fee"]) == ("refund", "refunded", 5_000, 0)
    assert refund["payment_id"] == payment["id"]
    now = await psp.found(payment["reference"])
    assert now["status"] == "authorized"
    assert (now["amount_captured"], now["amount_released"], now["amount_refunded"]) == (9_000, 1_000, 5_000)


async def test_no_more_is_captured_than_is_authorized_and_not_released(psp: Client) -> None:
    payment = await psp.pay(amount=100)
    await psp.capture(payment, 60)
    path = f"/v1/payments/{payment['id']}/captures"
    answer = await psp.post(path, {"reference": fresh("att"), "amount": 41})
    assert code(answer) == (422, "capture_exceeds_authorized")
    assert answer.json()["available"] == 40
    await psp.void(payment)
    assert code(await psp.post(path, {"reference": fresh("att"), "amount": 1})) == (422, "capture_exceeds_authorized")
    again = await psp.post(f"/v1/payments/{payment['id']}/voids", {"reference": fresh("att")})
    assert code(again) == (409, "invalid_state")


async def test_a_final_capture_lets_go_of_the_rest(psp: Client) -> None:
    payment = await psp.pay(amount=100)
    capture = await psp.capture(payment, 30, final=True)
    assert (capture["final"], capture["amount_released"]) == (True, 70)
    answer = await psp.post(f"/v1/payments/{payment['id']}/captures", {"reference": fresh("att"), "amount": 1})
    assert answer.json()["available"] == 0


async def test_no_more_is_refunded_than_is_captured(psp: Client) -> None:
    payment = await psp.pay(amount=100)
    path = f"/v1/payments/{payment['id']}/refunds"
    answer = await psp.post(path, {"reference": fresh("att"), "amount": 1})
    assert (code(answer), answer.json()["available"]) == ((422, "refund_exceeds_captured"), 0)
    await psp.capture(payment, 60)
    await psp.refund(payment, 35)
    answer = await psp.post(path, {"reference": fresh("att"), "amount": 26})
    assert (code(answer), answer.json()["available"]) == ((422, "refund_exceeds_captured"), 25)


@pytest.mark.parametrize("follow_up", ["captures", "refunds", "voids"])
async def test_nothing_follows_a_declined_payment(psp: Client, follow_up: str) -> None:
    payment = await psp.pay("tok_decline")
    body: dict[str, object] = {"reference": fresh("att")}
    answer = await psp.post(
        f"/v1/payments/{payment['id']}/{follow_up}", body if follow_up == "voids" else {**body, "amount": 1}
    )
    assert code(answer) == (409, "invalid_state")
    assert answer.json()["state"] == "declined"


async def test_no_payment_waits_for_an_action(psp: Client) -> None:
    payment = await psp.pay()
    answer = await psp.post(f"/v1/payments/{payment['id']}/actions", {"reference": fresh("att")})
    assert (code(answer), answer.json()["state"]) == ((409, "invalid_state"), "authorized")


async def test_an_unknown_payment_is_not_found(psp: Client) -> None:
    capture = await psp.capture(await psp.pay(), 1)
    for unknown in ("pay_nothing", capture["id"]):
        answer = await psp.post(f"/v1/payments/{unknown}/captures", {"reference": fresh("att"), "amount": 1})
        assert code(answer) == (404, "not_found")


async def test_an_unknown_reference_is_not_found(psp: Client) -> None:
    assert code(await psp.inquire(fresh("never"))) == (404, "not_found")


@pytest.mark.parametrize(
    "method",
    [
        {"type": "wallet", "provider": "apple_pay", "token": "tok_ok"},
        {"type": "netbanking", "bank_code": "HDFC"},
        {"type": "upi", "payer_vpa": "ok@sim", "flow": "collect"},
        {"type": "upi", "payer_vpa": "asha.rao@okbank"},
    ],
)
async def test_every_payment_method_can_succeed(psp: Client, method: dict[str, str]) -> None:
    payment = await psp.pay(payment_method=method, capture=True, currency="INR")
    assert (payment["status"], payment["currency"]) == ("captured", "INR")
