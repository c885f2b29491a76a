"""A merchant that sends nothing but nonsense is told to wait; nobody else notices."""

from uuid import UUID

import httpx
import pytest

from bootstrap.merchant_desk import MerchantDesk
from command_api.invalid_requests import InvalidRequests
from schemas.errors import RateLimited
from tests.command_api.conftest import merchant_client
from tests.command_api.conversation import OPERATOR_KEY, Client, served

SHOP, OTHER = UUID(int=1), UUID(int=2)


def answered(allowance: InvalidRequests, merchant_id: UUID | None, now_s: float, number: int) -> int:
    """How many of `number` invalid requests at one moment are answered in full."""
    for count in range(number):
        try:
            allowance.require_allowance(merchant_id, now_s)
        except RateLimited:
            return count
        allowance.note(merchant_id, now_s)
    return number


def test_those_of_two_seconds_at_once_and_then_as_many_as_time_has_passed() -> None:
    allowance = InvalidRequests(8)
    assert answered(allowance, SHOP, 100.0, 1000) == 17
    assert answered(allowance, SHOP, 101.0625, 1000) == 8
    assert answered(allowance, SHOP, 1000.0, 1000) == 17


def test_each_merchant_has_its_own_and_the_operator_no_limit() -> None:
    allowance = InvalidRequests(1)
    assert answered(allowance, SHOP, 5.0, 100) == 3
    assert answered(allowance, OTHER, 5.0, 100) == 3
    assert answered(allowance, None, 5.0, 100) == 100


@pytest.mark.parametrize("amount", [0, "many"])
async def test_over_http(desk: MerchantDesk, http: httpx.AsyncClient, api_database: str, amount: object) -> None:
    async with served(api_database, max_invalid_per_s=0.1) as url:
        shop, other = await merchant_client(desk, http, url), await merchant_client(desk, http, url)
        assert (await shop.create(amount=amount)).status_code == 400
        refused = await shop.create()
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["retry-after"] == "1"
        assert (await shop.get("/v1/balances")).status_code == 429
        assert (await other.create()).status_code == 201
        operator = Client(http, url, OPERATOR_KEY)
        assert [(await operator.create(amount=amount)).status_code for _ in range(3)] == [400] * 3
