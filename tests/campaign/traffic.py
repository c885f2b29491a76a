"""Merchants under load who write down everything they asked and everything they were told.

A customer creates a payment, authorizes it with it, captures or cancels, and refunds. What is not answered (the
connection broke, the server failed, time ran out) is written down as such and asked again under the same key when the
storm is over.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx
import msgspec

# What the PSP simulator does with them is in its scenarios; most payments go well.
TOKENS = (
    *("tok_ok",) * 24,
    "tok_decline",
    "tok_lost_card",
    "tok_timeout_before",
    "tok_timeout_after",
    "tok_reset_after",
    "tok_http500_before",
    "tok_http500_after",
    "tok_unavailable",
    "tok_rate_limited",
    "tok_slow",
    "tok_malformed",
    "tok_wrong_amount",
    "tok_pending_ok",
    "tok_pending_decline",
    "tok_not_found_then_ok",
    "tok_unknown_forever",
    "tok_ok+capture=reset_after",
    "tok_ok+capture=http500_before",
    "tok_ok+capture=pending_ok",
    "tok_ok+capture=decline",
    "tok_ok+capture=unknown_forever",
    "tok_ok+refund=reset_after",
    "tok_ok+refund=decline",
    "tok_ok+refund=unknown_forever",
    "tok_ok+void=http500_after",
    "tok_ok+void=timeout_after",
)
ANSWER_WITHIN_S = 12.0
WAIT_S = 3
REFUSED_PAUSE_S = 0.3


class Customer(msgspec.Struct, frozen=True):
    """The merchant whose key is used."""

    merchant_id: str
    api_key: str


class Sent(msgspec.Struct, kw_only=True):
    """One POST and what came of it: `status` is null while nobody has answered; `answered_at` is monotonic seconds."""

    merchant_id: str
    api_key: str
    key: str
    path: str
    body: dict[str, Any]
    status: int | None = None
    answer: dict[str, Any] | None = None
    asked: int = 0
    answered_at: float = 0.0

    @property
    def acknowledged(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def unanswered(self) -> bool:
        return self.status is None or self.status >= 500


class Traffic:
    """Load from `customers` until told to stop; the same seed plans the same purchases.

    `wait_s` is how long the API may wait for a PSP's outcome before it says 202.
    """

    def __init__(self, api: str, customers: list[Customer], seed: int, *, wait_s: int = WAIT_S) -> None:
        self._customers = customers
        self._dice = random.Random(seed)
        self._seed = seed
        self._wait_s = wait_s
        self._client = httpx.AsyncClient(base_url=api, timeout=ANSWER_WITHIN_S, trust_env=False)
        self._stopping = asyncio.Event()
        self.sent: list[Sent] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def stop(self) -> None:
        self._stopping.set()

    async def ask(self, sent: Sent, *, wait_s: int | None = None) -> Sent:
        """Send a request (again) and write down what came back."""
        sent.asked += 1
        headers = {
            "Authorization": f"Bearer {sent.api_key}",
            "Idempotency-Key": sent.key,
            "Prefer": f"wait={self._wait_s if wait_s is None else wait_s}",
        }
        try:
            answer = await self._client.post(sent.path, json=sent.body, headers=headers)
            sent.status, sent.answer = answer.status_code, answer.json()
        except (httpx.TransportError, ValueError):
            sent.status, sent.answer = None, None
            # While the API is down every answer is an immediate refusal: that is not to become a busy loop.
            await asyncio.sleep(REFUSED_PAUSE_S)
        sent.answered_at = time.monotonic()
        return sent

    async def _post(self, customer: Customer, key: str, path: str, body: dict[str, Any]) -> Sent:
        sent = Sent(merchant_id=customer.merchant_id, api_key=customer.api_key, key=key, path=path, body=body)
        self.sent.append(sent)
        return await self.ask(sent)

    async def create(self, customer: Customer, name: str) -> Sent:
        """Create a payment that nobody pays; `name` is its key and its reference."""
        body = {"amount": self._dice.randint(100, 50_000), "currency": "EUR", "reference": name}
        return await self._post(customer, name, "/v1/payment_intents", body)

    async def _buy(self, customer: Customer, name: str) -> None:
        dice = self._dice
        amount = dice.randint(100, 50_000)
        body = {
            "amount": amount,
            "currency": dice.choice(("EUR", "USD", "JPY")),
            "capture_method": dice.choice(("automatic", "manual", "manual")),
            "reference": name,
            "authorize": True,
            "payment_method": {"type": "card", "token": dice.choice(TOKENS)},
        }
        part = amount if dice.random() < 0.6 else amount // 2
        cancels, refunds = dice.random() < 0.15, dice.random() < 0.3
        created = await self._post(customer, f"{name}-create", "/v1/payment_intents", body)
        if not created.acknowledged or created.answer is None:
            return
        path = f"/v1/payment_intents/{created.answer['id']}"
        if created.answer["status"] == "authorized":
            if cancels:
                await self._post(customer, f"{name}-cancel", f"{path}/cancel", {"reason": "changed_mind"})
            else:
                await self._post(customer, f"{name}-capture", f"{path}/capture", {"amount": part, "final": True})
        if refunds:
            await self._post(customer, f"{name}-refund", f"{path}/refund", {"amount": max(1, amount // 4)})

    async def _browsing(self, number: int, pause_s: float) -> None:
        asked = 0
        while not self._stopping.is_set():
            asked += 1
            await self.create(self._dice.choice(self._customers), f"s{self._seed}-b{number}-{asked}")
            await asyncio.sleep(pause_s)

    async def _shopping(self, number: int, pause_s: float) -> None:
        bought = 0
        while not self._stopping.is_set():
            bought += 1
            customer = self._dice.choice(self._customers)
            await self._buy(customer, f"s{self._seed}-c{number}-{bought}")
            await asyncio.sleep(pause_s)

    async def run(self, shoppers: int, *, browsers: int = 0, pause_s: float = 0.02) -> None:
        """Buy with `shoppers` at a time until `stop`; `browsers` only create payments and never pay."""
        async with asyncio.TaskGroup() as group:
            for number in range(shoppers):
                group.create_task(self._shopping(number, pause_s))
            for number in range(browsers):
                group.create_task(self._browsing(number, pause_s))

    @asynccontextmanager
    async def running(self, shoppers: int, *, browsers: int = 0, pause_s: float = 0.02) -> AsyncIterator[None]:
        """`run` for as long as the context lasts, and until the last answer has come."""
        load = asyncio.create_task(self.run(shoppers, browsers=browsers, pause_s=pause_s))
        try:
            yield
        finally:
            self.stop()
            await load

    async def ask_again(self, *, at_once: int = 16) -> None:
        """Send everything that was not answered again, under its own key, until it is."""
        gate = asyncio.Semaphore(at_once)

        async def again(sent: Sent) -> None:
            async with gate:
                for _ in range(20):
                    if not (await self.ask(sent, wait_s=0)).unanswered:
                        return
                    await asyncio.sleep(0.5)

        async with asyncio.TaskGroup() as group:
            for sent in [sent for sent in self.sent if sent.unanswered]:
                group.create_task(again(sent))

    async def repeat(self, sent: list[Sent], *, at_once: int = 16) -> list[tuple[Sent, Sent]]:
        """Ask `sent` again as if nothing had been answered: each with the answer it gets now."""
        gate = asyncio.Semaphore(at_once)

        async def again(first: Sent) -> tuple[Sent, Sent]:
            async with gate:
                return first, await self.ask(msgspec.structs.replace(first, status=None, answer=None), wait_s=0)

        return await asyncio.gather(*(again(first) for first in sent))
