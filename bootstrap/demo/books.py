"""The two accounts of what happened that the demo compares: the ledger over HTTP, and the PSP's own log."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx
import msgspec
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from bootstrap.demo.checks import LogLine
from bootstrap.demo.shoppers import Merchant, Paid

_CATCH_UP_S: Final = 60
_BEHIND: Final = 503
_DOUBT: Final = "PspOutcomeUnknown"
_READS_AT_ONCE: Final = 16


class Books:
    """Reads the ledger with an auditor's key and the PSP's log without one."""

    def __init__(self, api: str, psp: str, auditor_key: str) -> None:
        self._client = httpx.AsyncClient(timeout=30, trust_env=False)
        self._api = api
        self._psp = psp
        self._auditor_key = auditor_key

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read(self, path: str, key: str, positions: Mapping[int, int]) -> dict[str, Any]:
        """A document of the query API that has got to `positions`, waiting for the read model as long as it takes."""
        headers = {"Authorization": f"Bearer {key}"}
        if positions:
            headers["Guilder-Min-Position"] = ",".join(f"{shard}:{at}" for shard, at in sorted(positions.items()))
        answer: httpx.Response = await AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.status_code == _BEHIND),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(_CATCH_UP_S),
        )(self._client.get, self._api + path, headers=headers)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    async def totals(self, positions: Mapping[int, int]) -> dict[tuple[str, str], int]:
        """Debits less credits of every (currency, account code) of test mode, at `positions` or later."""
        document = await self._read("/v1/ledger/trial_balance", self._auditor_key, positions)
        return {
            (books["currency"], account["code"]): account["balance"]
            for books in document["currencies"]
            if not books["livemode"]
            for account in books["accounts"]
        }

    async def owed(self, merchants: Iterable[Merchant]) -> list["Owed"]:
        """What each merchant is owed in each currency; to be asked for once `totals` has been waited for."""
        owed = []
        for merchant in merchants:
            document = await self._read("/v1/balances", merchant.api_key, {})
            owed += [
                Owed(
                    merchant=merchant,
                    currency=line["currency"],
                    pending=line["pending"],
                    available=line["available"],
                )
                for line in document["balances"]
            ]
        return owed

    async def doubted_attempts(self, paid: Iterable[Paid]) -> frozenset[str]:
        """The attempts whose outcome nobody knew for a while, by the payments' histories; the read model has caught up."""
        gate = asyncio.Semaphore(_READS_AT_ONCE)

        async def doubted(payment: Paid) -> set[str]:
            path = f"/v1/payment_intents/{payment.intent['id']}/events?limit=100"
            attempts: set[str] = set()
            cursor: str | None = ""
            while cursor is not None:
                async with gate:
                    page = await self._read(path + cursor, payment.merchant.api_key, {})
                attempts |= {event["data"]["attempt_id"] for event in page["data"] if event["type"] == _DOUBT}
                cursor = f"&cursor={page['next_cursor']}" if page["has_more"] else None
            return attempts

        return frozenset().union(*await asyncio.gather(*map(doubted, paid)))

    async def psp_log(self, after: int = 0) -> list[LogLine]:
        """The PSP's log behind line `after`."""
        answer = await self._client.get(f"{self._psp}/sim/log", params={"after": after})
        answer.raise_for_status()
        return [msgspec.json.decode(line) for line in answer.content.splitlines() if line]


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's money in one currency, minor units."""

    merchant: Merchant
    currency: str
    pending: int
    available: int
