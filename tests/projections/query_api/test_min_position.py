"""`Guilder-Min-Position`: a reader waits until the read model has come to where it asks, but not for long."""

import asyncio

import pytest

from schemas.errors import PositionNotReached, ValidationFailed
from tests.projections.history import History, Payment
from tests.projections.query_api.conftest import OPERATOR, Api, Feed, merchant, public

LIST = "/v1/payment_intents"


async def test_a_reader_waits_for_its_own_write(own_api: Api, feed: Feed, history: History) -> None:
    history.add(Payment("latest").created(), stream="latest")
    position = f"1:{len(history.recorded)}"
    own_api.services.max_wait_s = 30
    asking = asyncio.create_task(
        own_api.get(merchant(history.merchant_id), LIST, {"limit": "1"}, min_position=position)
    )
    await asyncio.sleep(0.1)
    assert not asking.done()
    await feed(history)
    assert [intent["id"] for intent in (await asking)["data"]] == [public("latest")]


async def test_a_position_that_does_not_come_is_refused_after_the_wait(api: Api, history: History) -> None:
    with pytest.raises(PositionNotReached):
        await api.get(merchant(history.merchant_id), LIST, min_position="1:99")
    # Another shard's position is of no consequence to this merchant's list.
    assert await api.get(merchant(history.merchant_id), LIST, min_position="3:99,1:2")


async def test_a_position_of_no_shard_is_refused(api: Api, history: History) -> None:
    for caller in (OPERATOR, merchant(history.merchant_id)):
        with pytest.raises(ValidationFailed) as refusal:
            await api.get(caller, LIST, min_position="1:1,4:1")
        assert [(error.pointer, error.code) for error in refusal.value.errors] == [
            ("Guilder-Min-Position", "out_of_range")
        ]


@pytest.mark.parametrize("text", ["", "12", "1:", ":1", "1:-2", "1:2,1:3", "a:b", "5000:1", "1:99999999999999999999"])
async def test_a_malformed_position_is_refused(api: Api, text: str) -> None:
    with pytest.raises(ValidationFailed):
        await api.get(OPERATOR, LIST, min_position=text)
