"""The demo merchant: the terms the tour and the demo count with, and a key of test mode."""

from typing import Final

import msgspec

from bootstrap.clock import SYSTEM_CLOCK
from bootstrap.identity import SYSTEM_IDS
from bootstrap.merchant_desk import MerchantDesk
from bootstrap.processes.connections import dsn_of
from bootstrap.settings import Settings
from event_store import EventStore, StoreOptions
from schemas.clock import Clock, IdFactory
from schemas.identifiers import Prefix, public_id
from schemas.routes import Scope

NAME: Final = "Demo merchant"
COUNTRY: Final = "DE"
RATE_PPM: Final = 29_000
FIXED: Final = dict.fromkeys(
    ("AUD", "BHD", "BRL", "CAD", "CHF", "DKK", "EUR", "GBP", "INR", "JPY", "KWD", "MXN", "NOK", "NZD", "PLN", "SEK",
     "SGD", "USD", "ZAR"),
    30,
)  # fmt: skip
SETTLEMENT_DELAY_S: Final = 5
SCOPES: Final[tuple[Scope, ...]] = ("payments:read", "payments:write", "ledger:read")


class DemoCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant and its key of test mode, as an operator would hand them out."""

    merchant_id: str
    api_key: str


async def register_demo_merchant(
    store: EventStore, clock: Clock, ids: IdFactory, *, name: str = NAME, country: str = COUNTRY
) -> DemoCredentials:
    """A merchant that pays 2.9 % + 30 minor units and has its money after 5 seconds, and a key for it."""
    desk = MerchantDesk(store, clock, ids)
    merchant_id = await desk.register(name, country)
    await desk.set_fee_plan(merchant_id, rate_ppm=RATE_PPM, fixed=FIXED, refund_fee={})
    await desk.set_settlement_delay(merchant_id, SETTLEMENT_DELAY_S)
    key = await desk.issue_key(merchant_id, livemode=False, scopes=SCOPES)
    return DemoCredentials(merchant_id=public_id(Prefix.MERCHANT, merchant_id), api_key=key.text)


async def seed(settings: Settings) -> tuple[str, str]:
    """Register the demo merchant of an installation; its id and its raw key, which the caller keeps in private."""
    store = await EventStore.open(StoreOptions(dsn=dsn_of(settings)))
    try:
        made = await register_demo_merchant(store, SYSTEM_CLOCK, SYSTEM_IDS)
    finally:
        await store.close()
    return made.merchant_id, made.api_key
