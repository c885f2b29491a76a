"""Keys and references: the same request is done once, whatever arrives how often and at the same time."""

import asyncio

import pytest

from tests.bootstrap.psp_simulator.server import Client, code, fresh

DAY_S = 86_400


@pytest.mark.parametrize("token", ["tok_ok", "tok_decline"])
async def test_the_same_body_replays_the_first_answer_byte_for_byte(psp: Client, token: str) -> None:
    body, key = psp.payment(token), fresh("key")
    first = await psp.post("/v1/payments", body, key=key)
    await psp.advance(3)
    reordered = dict(reversed(body.items()))
    again = await psp.post("/v1/payments", reordered, key=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await psp.story(body["reference"])) == 1


async def test_a_replay_shows_the_past_and_the_inquiry_the_present(psp: Client) -> None:
    body, key = psp.payment(), fresh("key")
    first = await psp.post("/v1/payments", body, key=key)
    await psp.capture(first.json(), 400)
    assert (await psp.post("/v1/payments", body, key=key)).json()["amount_captured"] == 0
    assert (await psp.found(body["reference"]))["amount_captured"] == 400


async def test_another_body_or_path_under_the_same_key_is_refused(psp: Client) -> None:
    body, key = psp.payment(), fresh("key")
    payment = (await psp.post("/v1/payments", body, key=key)).json()
    for path, other in (
        ("/v1/payments", {**body, "amount": 10_001}),
        (f"/v1/payments/{payment['id']}/captures", {"reference": body["reference"], "amount": 1}),
        ("/v1/reversals", {"reference": body["reference"]}),
    ):
        answer = await psp.post(path, other, key=key)
        assert code(answer) == (422, "idempotency_key_reused")
    assert len(await psp.story(body["reference"])) == 1


async def test_of_many_at_once_one_is_processed(psp: Client) -> None:
    body, key = psp.payment(), fresh("key")
    answers = await asyncio.gather(*(psp.post("/v1/payments", body, key=key) for _ in range(30)))
    done = [answer for answer in answers if answer.status_code == 200]
    assert {code(answer) for answer in answers if answer.status_code != 200} <= {(409, "idempotency_key_in_flight")}
    assert len({answer.content for answer in done}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in done) == 1
    assert len(await psp.story(body["reference"])) == 1


async def test_of_many_captures_at_once_no_more_succeed_than_the_hold_bears(psp: Client) -> None:
    payment = await psp.pay(amount=100)
    path = f"/v1/payments/{payment['id']}/captures"
    answers = await asyncio.gather(
        *(psp.post(path, {"reference": fresh("att"), "amount": 30}) for _ in range(20)),
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [422] * 17
    assert (await psp.found(payment["reference"]))["amount_captured"] == 90


async def test_a_refused_request_leaves_its_key_free(psp: Client) -> None:
    payment, key = await psp.pay(amount=100), fresh("key")
    path, reference = f"/v1/payments/{payment['id']}/captures", fresh("att")
    assert (await psp.post(path, {"reference": reference, "amount": 101}, key=key)).status_code == 422
    assert (await psp.post(path, {"reference": reference, "amount": 100}, key=key)).status_code == 200


async def test_a_reference_is_used_once_whatever_the_key(psp: Client) -> None:
    body = psp.payment()
    first = await psp.post("/v1/payments", body)
    answer = await psp.post("/v1/payments", body)
    assert code(answer) == (409, "reference_in_use")
    assert answer.json()["operation"] == first.json()
    capture = {"reference": body["reference"], "amount": 1}
    crossed = await psp.post(f"/v1/payments/{first.json()['id']}/captures", capture)
    assert code(crossed) == (409, "reference_in_use")
    assert len(await psp.story(body["reference"])) == 1


async def test_a_key_is_forgotten_after_a_day_and_the_reference_never(psp: Client) -> None:
    body, key = psp.payment(), fresh("key")
    first = await psp.post("/v1/payments", body, key=key)
    await psp.advance(DAY_S - 1)
    assert (await psp.post("/v1/payments", body, key=key)).content == first.content
    await psp.advance(1)
    assert code(await psp.post("/v1/payments", body, key=key)) == (409, "reference_in_use")
    other = psp.payment()
    assert (await psp.post("/v1/payments", other, key=key)).status_code == 200
