"""kill -9 of the API between what it acknowledged and what is read."""

import asyncio

import pytest

from tests.campaign.installation import Installation
from tests.command_api.conversation import CARD, Client

pytestmark = pytest.mark.slow


async def test_what_was_acknowledged_is_read_after_a_kill(installation: Installation, shop: Client) -> None:
    acknowledged = await asyncio.gather(
        *(shop.create(key=f"before-{number}", authorize=True, payment_method=CARD, wait=0) for number in range(40))
    )
    assert {answer.status_code for answer in acknowledged} == {202}
    await installation.kill("api")
    await installation.healthy("api")

    for number, answer in enumerate(acknowledged):
        told = answer.json()
        again = await shop.create(key=f"before-{number}", authorize=True, payment_method=CARD, wait=30)
        assert (again.status_code, again.json()["status"]) == (201, "authorized")
        assert again.headers["Idempotent-Replayed"] == "true"
        found = await shop.get(f"/v1/payment_intents/{told['id']}")
        assert found.json() == again.json()
        assert found.headers["ETag"] == f'"{found.json()["version"]}"'
        unchanging = ("id", "merchant_id", "amount", "currency", "created_at")
        assert [told[name] for name in unchanging] == [found.json()[name] for name in unchanging]
