"""Drives a plan over HTTP, as merchants' servers would: idempotency keys, retries, patience with what is unknown."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from bootstrap.demo.plan import PlannedPayment

_PATIENCE_S: Final = 150
_SERVER_ERROR: Final = 500
_SETTLED: Final = frozenset({"declined", "canceled", "failed", "expired"})


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant of the demo and the test-mode key it calls with."""

    id: str
    name: str
    api_key: str


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the API shows it once nothing is moving any more, and the codes of what it refused.

    `repeated_id` is the intent that the first request's repetition, under the same key, was answered with; `positions`
    how far the log had come in each shard when the answers were given.
    """

    planned: PlannedPayment
    merchant: Merchant
    intent: dict[str, Any]
    repeated_id: str
    positions: dict[int, int]
    refused: tuple[str, ...]
    requests: int


class StillMoving(Exception):
    """A payment intent has an operation whose outcome is not known yet."""


class _Busy(Exception):
    """The API asked to be called again."""


def is_moving(intent: dict[str, Any]) -> bool:
    """Whether any operation of the intent still waits for its outcome."""
    parts = [*intent["captures"], *intent["refunds"]]
    waiting = intent["status"] == "processing" or any(part["status"] == "processing" for part in parts)
    return waiting or any(attempt["status"] in {"processing", "unknown"} for attempt in intent["attempts"])


class _Shopper:
    """One payment's conversation with the API."""

    def __init__(self, client: httpx.AsyncClient, merchant: Merchant, planned: PlannedPayment, run: str) -> None:
        self._client = client
        self._auth = {"Authorization": f"Bearer {merchant.api_key}"}
        self._merchant = merchant
        self._planned = planned
        self._run = run
        self._refused: list[str] = []
        self._positions: dict[int, int] = {}
        self._requests = 0

    async def _send(self, method: str, path: str, body: dict[str, Any] | None, key: str | None) -> dict[str, Any]:
        """One request, sent again under the same key while the network or the server is at fault."""
        headers = self._auth | ({"Idempotency-Key": f"{self._run}-{self._planned.number}-{key}"} if key else {})
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((httpx.TransportError, _Busy)),
            wait=wait_exponential(multiplier=0.2, max=3),
            stop=stop_after_delay(_PATIENCE_S),
            reraise=True,
        ):
            with attempt:
                self._requests += 1
                answer = await self._client.request(method, path, json=body, headers=headers)
                if answer.status_code >= _SERVER_ERROR:
                    raise _Busy(answer.text)
        document: dict[str, Any] = answer.json()
        if position := answer.headers.get("guilder-position"):
            shard, _, number = position.partition(":")
            self._positions[int(shard)] = max(int(number), self._positions.get(int(shard), 0))
        if answer.is_error:
            self._refused.append(str(document.get("code")))
        return document

    async def _settled(self, intent_id: str) -> dict[str, Any]:
        """The intent, once nothing of it is moving.

        Raises:
            StillMoving: it still is after the demo's patience.
        """
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(StillMoving),
            wait=wait_exponential(multiplier=0.1, max=2),
            stop=stop_after_delay(_PATIENCE_S),
            reraise=True,
        ):
            with attempt:
                intent = await self._send("GET", f"/v1/payment_intents/{intent_id}", None, None)
                if is_moving(intent):
                    raise StillMoving(intent_id)
        return intent

    async def _after(self, intent_id: str, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        await self._send("POST", f"/v1/payment_intents/{intent_id}/{path}", body, key)
        return await self._settled(intent_id)

    async def pay(self) -> Paid:
        """The whole payment, as planned; what the PSP declines on the way is left out like a shop would."""
        planned = self._planned
        body = {
            "amount": planned.amount,
            "currency": planned.currency,
            "capture_method": planned.capture_method,
            "reference": f"{self._run}-{planned.number}",
            "metadata": {"basket": str(planned.number)},
        }
        created = await self._send("POST", "/v1/payment_intents", body, "create")
        intent_id = str(created["id"])
        method = {"payment_method": {"type": "card", "token": planned.token}}
        intent = await self._after(intent_id, "authorize", method, "authorize")
        if intent["status"] not in _SETTLED:
            intent = await self._capture(intent_id, intent)
            intent = await self._refund(intent_id, intent)
        repeated = await self._send("POST", "/v1/payment_intents", body, "create")
        return Paid(
            planned=planned,
            merchant=self._merchant,
            intent=intent,
            repeated_id=str(repeated.get("id")),
            positions=self._positions,
            refused=tuple(self._refused),
            requests=self._requests,
        )

    async def _capture(self, intent_id: str, intent: dict[str, Any]) -> dict[str, Any]:
        if self._planned.capture_method == "manual":
            for number, amount in enumerate(self._planned.captures):
                body = {"amount": amount, "final": False}
                intent = await self._after(intent_id, "capture", body, f"capture-{number}")
        if self._planned.cancel_rest and intent["amount_capturable"]:
            intent = await self._after(intent_id, "cancel", {}, "cancel")
        return intent

    async def _refund(self, intent_id: str, intent: dict[str, Any]) -> dict[str, Any]:
        for number, refund in enumerate(self._planned.refunds):
            if intent["amount_captured"] >= refund.amount:
                body = {"amount": refund.amount, "reason": refund.reason}
                intent = await self._after(intent_id, "refund", body, f"refund-{number}")
        return intent


async def shop(
    api: str,
    merchants: list[Merchant],
    planned: tuple[PlannedPayment, ...],
    *,
    run: str,
    at_once: int,
    on_done: Callable[[Paid], None],
) -> list[Paid]:
    """Pay everything in the plan against the API at `api`, `at_once` payments at a time.

    `run` makes the run's idempotency keys and references its own; `on_done` is told of each payment as it ends.
    """
    gate = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(base_url=api, timeout=httpx.Timeout(45), trust_env=False) as client:

        async def one(payment: PlannedPayment) -> Paid:
            async with gate:
                paid = await _Shopper(client, merchants[payment.merchant], payment, run).pay()
            on_done(paid)
            return paid

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(payment)) for payment in planned]
    return [task.result() for task in tasks]
