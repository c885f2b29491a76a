"""The payers against a server that answers as the API does, and sometimes later."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from bootstrap.bench.payers import Refused, drive
from bootstrap.bench.payments_load import PaymentsLoad
from tests.bootstrap.bench.stand_in_server import StandInServer


class Api(StandInServer):
    """Creates and captures; the first asking of every `late_every`-th request is answered 202."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: Counter[str] = Counter()
        self.steps: dict[str, list[str]] = {}
        self.late_every = 0
        self.refuses = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        key = dict(scope["headers"])[b"idempotency-key"].decode()
        self.keys[key] += 1
        number = key.split("-")[1]
        capturing = scope["path"].endswith("/capture")
        late = self.late_every and self.keys[key] == 1 and int(number) % self.late_every == 0
        status = 503 if self.refuses else 202 if late else 200 if capturing else 201
        if status in {200, 201}:
            self.steps.setdefault(number, []).append(scope["path"])
        word = "captured" if capturing else "authorized"
        body = json.dumps({"id": f"pi_{number}", "status": "processing" if late else word, "more": [1]}).encode()
        await asyncio.sleep(0.001)
        await self.answer(send, status, body)


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as running:
        yield running


def load(api: Api) -> PaymentsLoad:
    return PaymentsLoad(port=api.port, seconds=0.3, run="r", bearers=("k",), amount=1999, connections=4)


async def test_each_payment_is_created_then_captured_and_counted_once(api: Api) -> None:
    result = await drive(load(api))
    assert set(api.keys.values()) == {1}
    assert len(result.captured) == len(set(result.captured)) == len(api.steps)
    for number, paths in api.steps.items():
        assert paths == ["/v1/payment_intents", f"/v1/payment_intents/pi_{number}/capture"]
    # Those under way when the time was up are carried through and do not count.
    assert len(result.captured) - 4 <= result.payments <= len(result.captured)
    assert 0 < result.p50_ms <= result.p99_ms
    assert result.began_s < result.ended_s <= result.last_s


async def test_what_is_not_final_is_asked_for_again_under_its_key(api: Api) -> None:
    api.late_every = 2
    result = await drive(load(api))
    assert set(api.keys.values()) == {1, 2}
    assert len(result.captured) == len(api.steps)


async def test_a_refusal_ends_the_run(api: Api) -> None:
    api.refuses = True
    with pytest.raises(Refused, match="503"):
        await drive(load(api))
