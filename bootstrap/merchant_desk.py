"""The operator's desk: merchants join, get their terms and their keys. It writes to the log as any command does."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from aggregates import merchant
from aggregates.merchant import (
    Command,
    IssueApiKey,
    Merchant,
    RegisterMerchant,
    RevokeApiKey,
    SetFeePlan,
    SetSettlementDelay,
)
from bootstrap.clock import random_bytes
from command_api.api_keys import SECRET_BYTES, key_sha256, spell_key
from event_store import EventStore, Executed
from schemas.clock import Clock, IdFactory
from schemas.envelope import Actor, Envelope
from schemas.errors import NotFound
from schemas.events import ApiKeyIssued, MerchantRegistered
from schemas.identifiers import shard_of

DEFAULT_SCOPES: Final = ("payments:read", "payments:write", "ledger:read")
_PAGE: Final = 1000
_ACTOR: Final = Actor(type="operator", id="cli")


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is handed out: `text` is seen this once, the log keeps its SHA-256 only."""

    merchant_id: UUID
    key_id: UUID
    text: str
    scopes: tuple[str, ...]
    livemode: bool


class MerchantDesk:
    """Commands on merchants. All of them raise `Rejected` for what the aggregate refuses."""

    def __init__(self, store: EventStore, clock: Clock, ids: IdFactory) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def register(self, name: str, country: str) -> UUID:
        """A new merchant (`country` is ISO 3166-1 alpha-2) in a shard that is drawn for good; its id."""
        shard = int.from_bytes(random_bytes(8)) % self._store.shards
        merchant_id = self._ids.new_id(shard)
        await self._execute(merchant_id, RegisterMerchant(name=name, country=country), expected_version=0)
        return merchant_id

    async def set_fee_plan(
        self,
        merchant_id: UUID,
        *,
        rate_ppm: int,
        fixed: Mapping[str, int],
        refund_fee: Mapping[str, int],
        returned_on_refund: bool = False,
    ) -> Executed[Merchant]:
        """The platform's fees for intents created from now on: the whole plan, whatever the one before it was."""
        return await self._command(
            merchant_id,
            SetFeePlan(rate_ppm=rate_ppm, fixed=fixed, refund_fee=refund_fee, returned_on_refund=returned_on_refund),
        )

    async def set_settlement_delay(self, merchant_id: UUID, delay_s: int) -> Executed[Merchant]:
        """How many seconds captured funds wait, for intents created from now on."""
        return await self._command(merchant_id, SetSettlementDelay(delay_s=delay_s))

    async def issue_key(
        self, merchant_id: UUID, *, livemode: bool, scopes: Sequence[str] = DEFAULT_SCOPES
    ) -> IssuedKey:
        """A new key with fresh randomness."""
        text = spell_key(merchant_id, random_bytes(SECRET_BYTES), livemode=livemode)
        key_id = await self.issue_sha256(merchant_id, key_sha256(text), livemode=livemode, scopes=scopes)
        return IssuedKey(merchant_id=merchant_id, key_id=key_id, text=text, scopes=tuple(scopes), livemode=livemode)

    async def issue_sha256(
        self,
        merchant_id: UUID,
        sha256: str,
        *,
        livemode: bool,
        scopes: Sequence[str] = DEFAULT_SCOPES,
        expires_at: int | None = None,
    ) -> UUID:
        """A key that is known here only by its SHA-256 (lower-case hex); `expires_at` is Unix ms. The key's id."""
        key_id = self._ids.new_id(shard_of(merchant_id))
        await self._command(
            merchant_id,
            IssueApiKey(
                key_id=key_id, key_sha256=sha256, scopes=tuple(scopes), livemode=livemode, expires_at=expires_at
            ),
        )
        return key_id

    async def revoke_key(self, merchant_id: UUID, key_id: UUID, reason: str) -> None:
        """The key stops working, within a second everywhere."""
        await self._command(merchant_id, RevokeApiKey(key_id=key_id, reason=reason))

    async def owner_of_key(self, key_id: UUID) -> UUID:
        """Whose key it is, found by reading the key's shard from its beginning.

        Raises:
            NotFound: nobody's.
        """
        shard, after = shard_of(key_id), 0
        while shard < self._store.shards and (records := await self._store.read(shard, after, _PAGE)):
            for record in records:
                if record.type == ApiKeyIssued.__name__:
                    event = record.decoded().event
                    if isinstance(event, ApiKeyIssued) and event.key_id == key_id:
                        return record.stream_id
            after = records[-1].position
        raise NotFound("There is no such key.")

    async def find(self, merchant_id: UUID) -> Merchant:
        """What is known of a merchant.

        Raises:
            NotFound: there is no such merchant.
        """
        if shard_of(merchant_id) >= self._store.shards:
            raise NotFound("There is no such merchant.")
        records = (await self._store.load(merchant_id)).records
        if not records or not isinstance(records[0].event, MerchantRegistered):
            raise NotFound("There is no such merchant.")
        state = merchant.initial()
        for recorded in records:
            state = merchant.evolve(state, recorded)
        return state

    async def _command(self, merchant_id: UUID, command: Command) -> Executed[Merchant]:
        await self.find(merchant_id)
        return await self._execute(merchant_id, command)

    async def _execute(
        self, merchant_id: UUID, command: Command, expected_version: int | None = None
    ) -> Executed[Merchant]:
        return await self._store.execute(
            merchant,
            merchant_id,
            command,
            envelope=Envelope(
                effective_at=self._clock.now_ms(),
                merchant_id=merchant_id,
                livemode=None,
                currency=None,
                actor=_ACTOR,
                source="operator",
                correlation_id=self._ids.new_id(shard_of(merchant_id)),
                causation_id=None,
                traceparent=None,
            ),
            event_ids=self._ids,
            expected_version=expected_version,
        )
