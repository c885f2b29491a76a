"""`/sim`, health and metrics."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from bootstrap.psp_simulator.controls_api import PAGE_LINES
from tests.bootstrap.psp_simulator.server import Client, SimulatorProcess, code, fresh


async def test_the_log_is_read_from_a_number_and_up_to_a_count(psp: Client) -> None:
    payment = await psp.pay()
    capture = await psp.capture(payment, 1_000)
    whole = await psp.log()
    assert [line["seq"] for line in whole] == list(range(1, len(whole) + 1))
    assert whole[-1] == {
        "seq": len(whole),
        "at": capture["processed_at"],
        "operation": "capture",
        "id": capture["id"],
        "reference": capture["reference"],
        "idempotency_key": whole[-1]["idempotency_key"],
        "amount": 1_000,
        "currency": "EUR",
        "result": "captured",
        "fee": 11,
    }
    assert await psp.log(after=len(whole) - 2) == whole[-2:]
    assert await psp.log(after=len(whole)) == []
    limited = await psp.http.get("/sim/log", params={"after": 0, "limit": 1})
    assert limited.text.count("\n") == 1
    assert [line["at"] for line in whole] == sorted(line["at"] for line in whole)


async def test_a_log_longer_than_a_page_comes_whole(psp: Client) -> None:
    start = len(await psp.log())
    payment = await psp.pay(amount=10_000)
    path = f"/v1/payments/{payment['id']}/captures"
    for _ in range(2 * PAGE_LINES // 50):
        await asyncio.gather(*(psp.post(path, {"reference": fresh("att"), "amount": 1}) for _ in range(50)))
    for after, count in ((start, 2 * PAGE_LINES + 1), (start + 1, 2 * PAGE_LINES)):
        lines = await psp.log(after=after)
        assert [line["seq"] for line in lines] == list(range(after + 1, after + 1 + count))
    limited = await psp.http.get("/sim/log", params={"after": start, "limit": PAGE_LINES + 1})
    assert limited.text.count("\n") == PAGE_LINES + 1


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=1.5", "after=9999999999999999999"])
async def test_a_bad_position_is_refused(psp: Client, query: str) -> None:
    assert code(await psp.http.get(f"/sim/log?{query}")) == (400, "validation_failed")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/sim/clock", {"scale": -1}, "/scale"),
        ("/sim/clock", {"scale": "fast"}, "/scale"),
        ("/sim/clock", {"advance_s": -1}, "/advance_s"),
        ("/sim/clock", {"speed": 2}, ""),
        ("/sim/faults", {"fault": "flood"}, "/fault"),
        ("/sim/faults", {"operation": "payout"}, "/operation"),
        ("/sim/faults", {"requests": 0}, "/requests"),
        ("/sim/faults", {"latency_s": -0.1}, "/latency_s"),
    ],
)
async def test_a_bad_control_is_named(psp: Client, path: str, body: dict[str, Any], pointer: str) -> None:
    answer = await psp.http.post(path, json=body)
    assert code(answer) == (400, "validation_failed")
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


async def test_the_clock_runs_as_fast_as_told(psp: Client) -> None:
    await psp.http.post("/sim/clock", json={"scale": 1_000})
    started, first = time.monotonic(), (await psp.http.get("/sim/clock")).json()
    await asyncio.sleep(0.2)
    last = (await psp.http.post("/sim/clock", json={"scale": 0})).json()
    elapsed_s = time.monotonic() - started
    assert first["scale"] == 1_000
    passed = _seconds(last["now"]) - _seconds(first["now"])
    assert 200 <= passed <= 1_000 * elapsed_s + 1_000


def _seconds(text: str) -> float:
    day, clock = text.rstrip("Z").split("T")
    hours, minutes, seconds = clock.split(":")
    return int(day[-2:]) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(seconds)


async def set_fault(psp: Client, **fault: Any) -> None:
    answer = await psp.http.post("/sim/faults", json=fault)
    assert answer.status_code == 200, answer.text


async def test_a_fault_befalls_the_next_requests_of_its_kind(psp: Client) -> None:
    await set_fault(psp, operation="capture", fault="unavailable", requests=2)
    payment = await psp.pay()
    path, body, key = f"/v1/payments/{payment['id']}/captures", {"reference": fresh("att"), "amount": 5}, fresh("key")
    for _ in range(2):
        assert code(await psp.post(path, body, key=key)) == (503, "unavailable")
    assert (await psp.post(path, body, key=key)).status_code == 200
    assert (await psp.http.get("/sim/faults")).json() == {"faults": []}


async def test_a_dropped_request_was_processed_or_not_as_told(psp: Client) -> None:
    for fault, lines in (("drop_before", 0), ("drop_after", 1)):
        body = psp.payment()
        await set_fault(psp, fault=fault)
        with pytest.raises(httpx.ReadError):
            await psp.post("/v1/payments", body)
        assert len(await psp.story(str(body["reference"]))) == lines


async def test_an_error_and_a_hang_process_nothing(psp: Client) -> None:
    body, key = psp.payment(), fresh("key")
    await set_fault(psp, fault="error")
    assert code(await psp.post("/v1/payments", body, key=key)) == (500, "internal_error")
    await set_fault(psp, fault="hang")
    with pytest.raises(httpx.ReadTimeout):
        await psp.post("/v1/payments", body, key=key, patience_s=0.3)
    assert await psp.story(str(body["reference"])) == []
    assert (await psp.post("/v1/payments", body, key=key)).status_code == 200


async def test_latency_is_simulated_time_before_anything_is_done(psp: Client) -> None:
    payment = await psp.pay()
    await set_fault(psp, operation="inquiry", latency_s=30)
    inquiry = asyncio.create_task(psp.inquire(payment["reference"]))
    await asyncio.sleep(0.1)
    await psp.capture(payment, 7)
    assert not inquiry.done()
    await psp.advance(30)
    assert (await asyncio.wait_for(inquiry, 10)).json()["amount_captured"] == 7


async def test_faults_can_be_taken_back(psp: Client) -> None:
    await set_fault(psp, fault="error", requests=1_000)
    assert (await psp.http.get("/sim/faults")).json()["faults"][0]["requests"] == 1_000
    assert (await psp.http.delete("/sim/faults")).json() == {"faults": []}
    await psp.pay()


async def test_a_reset_forgets_everything_but_the_clock(tmp_path: Path) -> None:
    process = SimulatorProcess(tmp_path)
    await process.start()
    client = Client(process.url)
    try:
        body, key = client.payment("tok_pending_ok"), fresh("key")
        await client.post("/v1/payments", body, key=key)
        await client.reverse("never-seen")
        await set_fault(client, fault="error", requests=5)
        await client.advance(5)
        clock = (await client.http.get("/sim/clock")).json()
        assert (await client.http.post("/sim/reset")).status_code == 204
        assert await client.log() == []
        assert (await client.http.get("/sim/clock")).json() == clock
        assert (await client.inquire(str(body["reference"]))).status_code == 404
        await client.done("/v1/payments", {**client.payment(), "reference": "never-seen"})
        assert (await client.post("/v1/payments", body, key=key)).status_code == 202
        await client.advance(10)
        assert [(line["seq"], line["result"]) for line in await client.log()] == [
            (1, "authorized"),
            (2, "pending"),
            (3, "authorized"),
        ]
    finally:
        await client.http.aclose()
        process.kill()


async def test_health_and_metrics(psp: Client) -> None:
    assert (await psp.http.get("/health/live")).json() == {"status": "live"}
    assert (await psp.http.get("/health/ready")).json() == {"status": "ready"}
    await psp.pay()
    before = await answers_counted(psp)
    await psp.pay()
    assert await answers_counted(psp) == before + 1
    text = (await psp.http.get("/metrics")).text
    assert "psp_simulator_commit_seconds_count" in text


async def answers_counted(psp: Client) -> float:
    label = 'psp_simulator_answers_total{method="POST",noun="payments",status="200"} '
    lines = (await psp.http.get("/metrics")).text.splitlines()
    return next(float(line.removeprefix(label)) for line in lines if line.startswith(label))
