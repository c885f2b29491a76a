"""Merchants as this process knows them: folds of their streams, never older than half a second.

Whoever calls needs its merchant twice, for its keys and for its fee plan; asking the store each time would cost more
than the command itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from aggregates import merchant
from aggregates.merchant import ApiKey, Merchant
from event_store import EventStore
from schemas.envelope import Actor
from schemas.events import MerchantRegistered
from schemas.identifiers import Prefix, public_id, shard_of
from schemas.routes import Principal

MAX_AGE_S: Final = 0.5
_CAPACITY: Final = 10_000


class KnownMerchant(msgspec.Struct, frozen=True):
    """A merchant, read from the store no earlier than `read_at` (the event loop's clock, seconds).

    `keys` leads from a key's SHA-256 (lower-case hex) to what is known of it and to who calls with it.
    """

    state: Merchant
    keys: Mapping[str, tuple[ApiKey, Principal]]
    read_at: float


class Merchants:
    """A bounded memory of merchants; a change elsewhere is seen within `max_age_s` seconds."""

    def __init__(self, store: EventStore, *, max_age_s: float = MAX_AGE_S, capacity: int = _CAPACITY) -> None:
        self._store = store
        self._max_age_s = max_age_s
        self._capacity = capacity
        self._known: OrderedDict[UUID, KnownMerchant] = OrderedDict()
        self._reading: dict[UUID, asyncio.Task[KnownMerchant]] = {}

    async def current(self, merchant_id: UUID) -> KnownMerchant:
        """The merchant as it was at most `max_age_s` ago; one that does not exist has version 0.

        Raises:
            ShardUnavailable: the store cannot be asked.
        """
        return self.remembered(merchant_id) or await self._shared_look(merchant_id)

    def remembered(self, merchant_id: UUID) -> KnownMerchant | None:
        """The merchant as it was at most `max_age_s` ago, where that needs no look at the store."""
        known = self._known.get(merchant_id)
        if known is not None and asyncio.get_running_loop().time() - known.read_at < self._max_age_s:
            return known
        return None

    async def newest(self, merchant_id: UUID) -> KnownMerchant:
        """The merchant as the store has it from this moment on; raises as `current` does."""
        asked_at = asyncio.get_running_loop().time()
        known = await self._shared_look(merchant_id)
        while known.read_at < asked_at:
            # It joined a look that had begun before.
            known = await self._shared_look(merchant_id)
        return known

    async def _shared_look(self, merchant_id: UUID) -> KnownMerchant:
        """Callers that come together share one look at the store."""
        reading = self._reading.get(merchant_id)
        # One that has ended stays here until the loop's next tick. To wait for it lets nobody else run, so whoever asks
        # until it gets a newer one would ask for ever, and the process with it.
        if reading is None or reading.done():
            reading = asyncio.create_task(self._read(merchant_id))
            self._reading[merchant_id] = reading
            reading.add_done_callback(lambda done: self._look_ended(merchant_id, done))
        # A caller that is cancelled must not take the look away from the others.
        return await asyncio.shield(reading)

    def _look_ended(self, merchant_id: UUID, look: "asyncio.Task[KnownMerchant]") -> None:
        if self._reading.get(merchant_id) is look:
            del self._reading[merchant_id]
        if not look.cancelled():
            # Whoever still waits is told; when all have gone, nobody need hear of it.
            look.exception()

    async def _read(self, merchant_id: UUID) -> KnownMerchant:
        read_at = asyncio.get_running_loop().time()
        state = merchant.initial()
        if shard_of(merchant_id) < self._store.shards:
            records = (await self._store.load(merchant_id)).records
            # A key can be made up to name any stream of ours; only a merchant's is folded.
            if records and isinstance(records[0].event, MerchantRegistered):
                for recorded in records:
                    state = merchant.evolve(state, recorded)
        known = KnownMerchant(
            state, {key.sha256: (key, _principal(merchant_id, key)) for key in state.keys.values()}, read_at
        )
        if state.exists:
            self._known[merchant_id] = known
            self._known.move_to_end(merchant_id)
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return known


def _principal(merchant_id: UUID, key: ApiKey) -> Principal:
    return Principal(
        merchant_id=merchant_id,
        livemode=key.livemode,
        scopes=frozenset(key.scopes),
        actor=Actor(type="api_key", id=public_id(Prefix.API_KEY, key.id)),
    )
