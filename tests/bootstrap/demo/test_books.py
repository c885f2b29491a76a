"""The demo's reading of payments' histories, page by page."""

import httpx
import pytest

from bootstrap.demo.books import Books
from bootstrap.demo.plan import plan
from bootstrap.demo.shoppers import Merchant, Paid


def event(kind: str, attempt: str) -> dict[str, object]:
    return {"type": kind, "data": {"attempt_id": attempt}}


PAGES = {
    "": {"data": [event("PspOutcomeUnknown", "att_1")], "has_more": True, "next_cursor": "two"},
    "two": {
        "data": [event("PaymentAuthorized", "att_2"), event("PspOutcomeUnknown", "att_3")],
        "has_more": False,
        "next_cursor": None,
    },
}


async def test_every_page_of_a_history_is_searched_for_doubts(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/payment_intents/pi_1/events"
        assert request.headers["authorization"] == "Bearer gk_test_1"
        return httpx.Response(200, json=PAGES[request.url.params.get("cursor", "")])

    books = Books("http://api", "http://psp", "gk_test_2")
    monkeypatch.setattr(books, "_client", httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    paid = Paid(
        planned=plan(1, 1, seed=1)[0],
        merchant=Merchant(id="mer_1", name="Shop", api_key="gk_test_1"),
        intent={"id": "pi_1"},
        repeated_id="pi_1",
        positions={},
        refused=(),
        requests=1,
    )
    assert await books.doubted_attempts([paid]) == {"att_1", "att_3"}
    await books.close()
