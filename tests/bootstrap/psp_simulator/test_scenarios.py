"""Each scenario over real HTTP: what the caller sees, what the log says, what a repeat and the inquiry get."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.bootstrap.psp_simulator.server import Client, code, fresh

# Far below the 60 s that a silent socket is held.
PATIENCE_S = 0.4


@pytest.mark.parametrize(
    ("scenario", "decline"),
    [
        ("decline", {"code": "generic_decline", "network_code": "05", "category": "soft", "advice_code": "02"}),
        ("insufficient_funds", {"code": "insufficient_funds", "network_code": "51", "category": "soft"}),
        ("lost_card", {"code": "lost_card", "network_code": "41", "category": "hard", "advice_code": "03"}),
        ("expired_card", {"code": "expired_card", "category": "data"}),
        ("processing_error", {"code": "processing_error", "category": "technical"}),
    ],
)
async def test_a_decline_names_its_reason(psp: Client, scenario: str, decline: dict[str, str]) -> None:
    payment = await psp.pay(f"tok_{scenario}")
    assert payment["status"] == "declined"
    assert decline.items() <= payment["decline"].items()
    assert (payment["approval_code"], payment["capture_before"], payment["fee"]) == (None, None, 0)
    assert await psp.story(payment["reference"]) == [("payment", "declined", 10_000, 0)]


async def test_each_operation_has_its_own_scenario(psp: Client) -> None:
    payment = await psp.pay("tok_ok+capture=ok+refund=insufficient_funds+void=processing_error")
    assert (await psp.capture(payment, 100))["status"] == "captured"
    assert (await psp.refund(payment, 50))["decline"]["code"] == "insufficient_funds"
    assert (await psp.void(payment))["decline"]["code"] == "processing_error"
    now = await psp.found(payment["reference"])
    assert (now["amount_captured"], now["amount_refunded"], now["amount_released"]) == (100, 0, 0)


async def test_a_declined_final_capture_leaves_the_whole_hold(psp: Client) -> None:
    payment = await psp.pay("tok_ok+capture=do_not_honor", 100)
    assert (await psp.capture(payment, 30, final=True))["status"] == "declined"
    assert (await psp.void(payment))["amount"] == 100


async def test_the_vpa_chooses_on_upi(psp: Client) -> None:
    method = {"type": "upi", "payer_vpa": "payer_rejected@sim", "flow": "collect"}
    assert (await psp.pay(payment_method=method))["decline"]["code"] == "payer_rejected"


@pytest.mark.parametrize("method", [{"type": "netbanking", "bank_code": "HDFC"}, {"type": "card", "token": "tok_ok"}])
async def test_a_magic_amount_chooses_where_the_method_does_not(psp: Client, method: dict[str, str]) -> None:
    assert (await psp.pay(amount=900_000_002, payment_method=method))["decline"]["code"] == "insufficient_funds"
    assert (await psp.pay(amount=900_000_099, payment_method=method))["status"] == "authorized"


async def test_the_token_goes_before_the_amount(psp: Client) -> None:
    assert (await psp.pay("tok_lost_card", 900_000_002))["decline"]["code"] == "lost_card"


async def test_timeout_before_processes_nothing_and_then_the_same_key_works(psp: Client) -> None:
    body, key = psp.payment("tok_timeout_before"), fresh("key")
    with pytest.raises(httpx.ReadTimeout):
        await psp.post("/v1/payments", body, key=key, patience_s=PATIENCE_S)
    assert (await psp.inquire(body["reference"])).status_code == 404
    assert await psp.story(body["reference"]) == []
    answer = await psp.post("/v1/payments", body, key=key)
    assert (answer.status_code, answer.json()["status"]) == (200, "authorized")
    assert "idempotent-replayed" not in answer.headers
    assert await psp.story(body["reference"]) == [("payment", "authorized", 10_000, 0)]


async def test_timeout_after_has_processed_and_replays_the_truth(psp: Client) -> None:
    body, key = psp.payment("tok_timeout_after"), fresh("key")
    with pytest.raises(httpx.ReadTimeout):
        await psp.post("/v1/payments", body, key=key, patience_s=PATIENCE_S)
    await expect_processed_once_and_replayed(psp, body, key)


async def test_reset_after_has_processed_and_replays_the_truth(psp: Client) -> None:
    body, key = psp.payment("tok_reset_after"), fresh("key")
    with pytest.raises(httpx.ReadError):
        await psp.post("/v1/payments", body, key=key)
    await expect_processed_once_and_replayed(psp, body, key)


async def expect_processed_once_and_replayed(psp: Client, body: dict[str, Any], key: str) -> None:
    assert (await psp.found(body["reference"]))["status"] == "authorized"
    answer = await psp.post("/v1/payments", body, key=key)
    assert (answer.status_code, answer.json()["status"]) == (200, "authorized")
    assert answer.headers["idempotent-replayed"] == "true"
    assert await psp.story(body["reference"]) == [("payment", "authorized", 10_000, 0)]


async def test_a_silent_socket_is_held_for_a_simulated_minute(psp: Client) -> None:
    request = asyncio.create_task(psp.post("/v1/payments", psp.payment("tok_timeout_after")))
    await asyncio.sleep(PATIENCE_S)
    await psp.advance(59)
    await asyncio.sleep(0.1)
    assert not request.done()
    await psp.advance(1.5)
    with pytest.raises(httpx.ReadError):
        await request


async def test_http500_before_burns_the_key_and_processes_nothing(psp: Client) -> None:
    body, key = psp.payment("tok_http500_before"), fresh("key")
    first, second = [await psp.post("/v1/payments", body, key=key) for _ in range(2)]
    assert code(first) == (500, "internal_error")
    assert (second.status_code, second.content) == (500, first.content)
    assert (await psp.inquire(body["reference"])).status_code == 404
    assert (await psp.reverse(body["reference"]))["status"] == "tombstoned"
    assert await psp.story(body["reference"]) == [("reversal", "tombstoned", 0, 0)]


async def test_http500_after_has_processed_and_replays_the_500(psp: Client) -> None:
    body, key = psp.payment("tok_http500_after"), fresh("key")
    first, second = [await psp.post("/v1/payments", body, key=key) for _ in range(2)]
    assert code(first) == (500, "internal_error")
    assert (second.status_code, second.content) == (500, first.content)
    assert (await psp.found(body["reference"]))["status"] == "authorized"
    assert await psp.story(body["reference"]) == [("payment", "authorized", 10_000, 0)]


@pytest.mark.parametrize(("scenario", "status"), [("unavailable", 503), ("rate_limited", 429)])
async def test_a_refusal_to_work_says_when_to_come_again(psp: Client, scenario: str, status: int) -> None:
    body, key = psp.payment(f"tok_{scenario}"), fresh("key")
    for _ in range(2):
        answer = await psp.post("/v1/payments", body, key=key)
        assert code(answer) == (status, scenario)
        assert answer.headers["retry-after"] == "1"
    assert await psp.story(body["reference"]) == []
    # The key and the reference are free for another request.
    assert (
        await psp.post("/v1/payments", {**body, "payment_method": {"type": "card", "token": "tok_ok"}}, key=key)
    ).status_code == 200


async def test_slow_is_processed_after_eight_seconds(psp: Client) -> None:
    body, key = psp.payment("tok_slow"), fresh("key")
    request = asyncio.create_task(psp.post("/v1/payments", body, key=key))
    await asyncio.sleep(0.2)
    await psp.advance(7.5)
    assert code(await psp.post("/v1/payments", body, key=key)) == (409, "idempotency_key_in_flight")
    assert (await psp.inquire(body["reference"])).status_code == 404
    assert not request.done()
    await psp.advance(0.5)
    answer = await asyncio.wait_for(request, 10)
    assert (answer.status_code, answer.json()["status"]) == (200, "authorized")
    assert await psp.story(body["reference"]) == [("payment", "authorized", 10_000, 0)]


async def test_slow_goes_on_when_its_caller_has_left(psp: Client) -> None:
    body = psp.payment("tok_slow")
    with pytest.raises(httpx.ReadTimeout):
        await psp.post("/v1/payments", body, patience_s=PATIENCE_S)
    await psp.advance(8)
    for _ in range(100):
        if (await psp.inquire(body["reference"])).status_code == 200:
            break
        await asyncio.sleep(0.02)
    assert await psp.story(body["reference"]) == [("payment", "authorized", 10_000, 0)]


async def test_a_reversal_that_overtakes_a_slow_request_keeps_it_out(psp: Client) -> None:
    body = psp.payment("tok_slow")
    request = asyncio.create_task(psp.post("/v1/payments", body))
    await asyncio.sleep(0.2)
    assert (await psp.reverse(body["reference"]))["status"] == "tombstoned"
    await psp.advance(8)
    assert code(await asyncio.wait_for(request, 10)) == (409, "reference_tombstoned")
    assert await psp.story(body["reference"]) == [("reversal", "tombstoned", 0, 0)]


@pytest.mark.parametrize(("scenario", "result"), [("pending_ok", "authorized"), ("pending_decline", "declined")])
async def test_pending_settles_after_ten_seconds(psp: Client, scenario: str, result: str) -> None:
    body, key = psp.payment(f"tok_{scenario}"), fresh("key")
    answer = await psp.post("/v1/payments", body, key=key)
    assert (answer.status_code, answer.json()["status"], answer.json()["fee"]) == (202, "pending", None)
    await psp.advance(9.999)
    assert (await psp.found(body["reference"]))["status"] == "pending"
    await psp.advance(0.001)
    settled = await psp.found(body["reference"])
    assert settled["status"] == result
    assert settled["processed_at"] == (await psp.http.get("/sim/clock")).json()["now"]
    replay = await psp.post("/v1/payments", body, key=key)
    assert (replay.status_code, replay.content) == (202, answer.content)
    story = [("payment", "pending", 10_000, 0), ("payment", result, 10_000, 0)]
    assert await psp.story(body["reference"]) == story


async def test_pending_money_cannot_be_taken_twice(psp: Client) -> None:
    payment = await psp.pay("tok_ok+capture=pending_ok+refund=pending_decline", 100)
    path = f"/v1/payments/{payment['id']}"
    capture = await psp.post(f"{path}/captures", {"reference": fresh("att"), "amount": 60, "final": True})
    assert (capture.status_code, capture.json()["status"]) == (202, "pending")
    more = await psp.post(f"{path}/captures", {"reference": fresh("att"), "amount": 1})
    assert more.json()["available"] == 0
    assert code(await psp.post(f"{path}/refunds", {"reference": fresh("att"), "amount": 1}))[0] == 422
    await psp.advance(10)
    reference = capture.json()["reference"]
    assert await psp.story(reference) == [("capture", "pending", 60, 0), ("capture", "captured", 60, 1)]
    refund = await psp.post(f"{path}/refunds", {"reference": fresh("att"), "amount": 60})
    assert refund.status_code == 202
    assert (await psp.post(f"{path}/refunds", {"reference": fresh("att"), "amount": 1})).json()["available"] == 0
    await psp.advance(10)
    assert (await psp.found(refund.json()["reference"]))["status"] == "declined"
    now = await psp.found(payment["reference"])
    assert (now["amount_captured"], now["amount_released"], now["amount_refunded"]) == (60, 40, 0)


async def test_what_was_pending_settles_with_nobody_asking(psp: Client) -> None:
    answer = await psp.post("/v1/payments", psp.payment("tok_pending_ok", capture=True))
    before = await psp.log()
    await psp.http.post("/sim/clock", json={"scale": 100})
    jobs = await jobs_done(psp)
    # Any call would settle what is due on its way; metrics alone ask nothing of the book.
    async with asyncio.timeout(30):
        while await jobs_done(psp) == jobs:  # noqa: ASYNC110 - only its metrics tell
            await asyncio.sleep(0.02)
    await psp.http.post("/sim/clock", json={"scale": 0})
    lines = await psp.log(after=before[-1]["seq"])
    assert [(line["reference"], line["result"], line["fee"]) for line in lines] == [
        (answer.json()["reference"], "captured", 110)
    ]
    assert lines[0]["at"] > before[-1]["at"]


async def jobs_done(psp: Client) -> float:
    """How many jobs the simulator's writer has done."""
    lines = (await psp.http.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("psp_simulator_commit_jobs_sum "))


async def test_malformed_is_processed_and_half_answered(psp: Client) -> None:
    body, key = psp.payment("tok_malformed"), fresh("key")
    first, second = [await psp.post("/v1/payments", body, key=key) for _ in range(2)]
    assert first.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        first.json()
    assert second.content == first.content
    assert (await psp.found(body["reference"]))["status"] == "authorized"
    assert await psp.story(body["reference"]) == [("payment", "authorized", 10_000, 0)]


async def test_wrong_amount_is_processed_rightly_and_answered_wrongly(psp: Client) -> None:
    payment = await psp.pay("tok_wrong_amount")
    assert (payment["status"], payment["amount"]) == ("authorized", 10_001)
    assert (await psp.found(payment["reference"]))["amount"] == 10_000
    assert await psp.story(payment["reference"]) == [("payment", "authorized", 10_000, 0)]


async def test_unknown_forever_is_never_cleared_up(psp: Client) -> None:
    body, key = psp.payment("tok_unknown_forever"), fresh("key")
    for _ in range(2):
        assert code(await psp.post("/v1/payments", body, key=key)) == (500, "internal_error")
    for _ in range(2):
        assert (await psp.inquire(body["reference"])).status_code == 404
        assert code(await psp.post("/v1/reversals", {"reference": body["reference"]})) == (500, "internal_error")
        await psp.advance(30 * 86_400)
    assert (await psp.story(body["reference"]))[0] == ("payment", "authorized", 10_000, 0)
    assert "reversal" not in {operation for operation, *_ in await psp.story(body["reference"])}


async def test_not_found_then_ok_is_found_after_twenty_seconds(psp: Client) -> None:
    body = psp.payment("tok_not_found_then_ok")
    assert code(await psp.post("/v1/payments", body)) == (500, "internal_error")
    await psp.advance(19.999)
    assert code(await psp.inquire(body["reference"])) == (404, "not_found")
    await psp.advance(0.001)
    assert (await psp.found(body["reference"]))["status"] == "authorized"


@pytest.mark.parametrize("operation", ["capture", "refund", "void"])
@pytest.mark.parametrize("scenario", ["http500_after", "malformed", "wrong_amount", "reset_after"])
async def test_follow_ups_misbehave_likewise(psp: Client, operation: str, scenario: str) -> None:
    payment = await psp.pay(f"tok_ok+{operation}={scenario}")
    if operation == "refund":
        await psp.capture(payment, 5_000)
    reference, key = fresh("att"), fresh("key")
    body: dict[str, object] = (
        {"reference": reference} if operation == "void" else {"reference": reference, "amount": 500}
    )
    path = f"/v1/payments/{payment['id']}/{operation}s"
    if scenario == "reset_after":
        with pytest.raises(httpx.ReadError):
            await psp.post(path, body, key=key)
    else:
        assert (await psp.post(path, body, key=key)).status_code == (500 if scenario == "http500_after" else 200)
    await psp.post(path, body, key=key)
    amount, fee = (10_000, 0) if operation == "void" else (500, 6 if operation == "capture" else 0)
    done = {"capture": "captured", "refund": "refunded", "void": "voided"}[operation]
    assert await psp.story(reference) == [(operation, done, amount, fee)]
    assert (await psp.found(reference))["amount"] == amount
