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
from schemas.events import MerchantRegistered
from schemas.identifiers import shard_of

MAX_AGE_S: Final = 0.5
_CAPACITY: Final = 10_000


class KnownMerchant(msgspec.Struct, frozen=True):
    """A merchant, read from the store no earlier than `read_at` (the event loop's clock, seconds).

    `keys` leads from a key's SHA-256 (lower-case hex) to what is known of it.
    """

    state: Merchant
    keys: Mapping[str, ApiKey]
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
        known = self._known.get(merchant_id)
        if known is not None and asyncio.get_running_loop().time() - known.read_at < self._max_age_s:
            return known
        return await self.read(merchant_id)

    async def read(self, merchant_id: UUID) -> KnownMerchant:
        """The merchant as the store has it now; callers that come together share one look."""
        reading = self._reading.get(merchant_id)
        if reading is None:
            reading = asyncio.create_task(self._read(merchant_id))
            self._reading[merchant_id] = reading
            reading.add_done_callback(lambda _: self._reading.pop(merchant_id, None))
        # A caller that is cancelled must not take the look away from the others.
        return await asyncio.shield(reading)

    async def _read(self, merchant_id: UUID) -> KnownMerchant:
        read_at = asyncio.get_running_loop().time()
        state = merchant.initial()
        if shard_of(merchant_id) < self._store.shards:
            records = (await self._store.load(merchant_id)).records
            # A key can be made up to name any stream of ours; only a merchant's is folded.
            if records and isinstance(records[0].event, MerchantRegistered):
                for recorded in records:
                    state = merchant.evolve(state, recorded)
        known = KnownMerchant(state, {key.sha256: key for key in state.keys.values()}, read_at)
        self._known[merchant_id] = known
        self._known.move_to_end(merchant_id)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return known
