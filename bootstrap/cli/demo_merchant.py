"""The demo merchant of an installation: registered once, its raw key kept in `demo.json` (mode 0600) and used again."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from bootstrap.local_stack import child
from bootstrap.settings import Settings

DEMO_FILE: Final = "demo.json"

Seed = Callable[[Settings], Awaitable[tuple[str, str]]]
"""Registers a merchant and issues it a key of test mode; returns the merchant's id and the raw key."""


class DemoMerchant(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant and one of its keys, in clear: of a demo only."""

    merchant_id: str
    api_key: str


def load_demo(home: Path) -> DemoMerchant | None:
    """The demo merchant of this installation; None before the first `guilder up` has finished."""
    try:
        return msgspec.json.decode((home / DEMO_FILE).read_bytes(), type=DemoMerchant)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


async def ensure_demo_merchant(settings: Settings, seed: Seed) -> DemoMerchant:
    """Return the demo merchant, registering one when there is none or when the database does not know its key."""
    known = load_demo(settings.home)
    if known is not None and await is_accepted(settings, known):
        return known
    merchant_id, api_key = await seed(settings)
    made = DemoMerchant(merchant_id=merchant_id, api_key=api_key)
    child.write_private(settings.home / DEMO_FILE, msgspec.json.encode(made).decode())
    return made


async def is_accepted(settings: Settings, demo: DemoMerchant) -> bool:
    """Ask the running API whether it knows the key."""
    import httpx

    url = f"http://127.0.0.1:{settings.api.port}/v1/payment_intents"
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(url, params={"limit": 1}, headers={"Authorization": f"Bearer {demo.api_key}"})
    return answer.status_code != httpx.codes.UNAUTHORIZED
