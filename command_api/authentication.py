"""Who is calling: a merchant by an API key, or the operator.

Only a key's SHA-256 is compared, so neither the log nor this process keeps one; and a look-up by a hash tells an
attacker who measures time nothing about the key.
"""

from collections.abc import Mapping
from typing import Final, get_args
from uuid import UUID

from command_api.api_keys import key_sha256, parse_key
from command_api.merchants import Merchants
from command_api.turns import Turns
from schemas.clock import Clock
from schemas.envelope import Actor
from schemas.errors import KeyRevoked, ScopeMissing, Unauthenticated
from schemas.routes import Principal, Scope

_SCHEME: Final = "bearer "
_MAX_LENGTH: Final = 512
_CAPACITY: Final = 10_000
_OPERATOR: Final = Principal(
    merchant_id=None,
    livemode=None,
    scopes=frozenset(get_args(Scope)),
    actor=Actor(type="operator", id="operator"),
)


class Authenticator:
    """Tells who sent a request. `operator_key_sha256` is lower-case hex; null: nobody may act as the operator."""

    def __init__(self, merchants: Merchants, clock: Clock, *, operator_key_sha256: str | None) -> None:
        self._merchants = merchants
        self._clock = clock
        self._operator_key_sha256 = operator_key_sha256
        self._merchant_of: dict[str, UUID] = {}
        self._strangers = Turns()

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The caller, by the `authorization` header (names lower-case).

        A key that has not been seen here before waits for its turn among all that have not.

        A key that was revoked stops working within the age that `Merchants` allows (half a second); one that was just
        issued works at once.

        Raises:
            Unauthenticated: no bearer credentials, or none that were ever issued.
            KeyRevoked: the key was revoked, or its time is over.
            ShardUnavailable: the merchant's stream cannot be read.
        """
        header = headers.get("authorization", "")
        if len(header) > _MAX_LENGTH or header[: len(_SCHEME)].lower() != _SCHEME:
            await self._strangers.take()
            raise Unauthenticated
        text = header[len(_SCHEME) :].strip()
        sha256 = key_sha256(text)
        merchant_id = self._merchant_of.get(sha256)
        if merchant_id is None:
            if sha256 == self._operator_key_sha256:
                return _OPERATOR
            await self._strangers.take()
            key = parse_key(text)
            if key is None:
                raise Unauthenticated
            merchant_id = key.merchant_id
        merchant = self._merchants.remembered(merchant_id) or await self._merchants.current(merchant_id)
        found = merchant.keys.get(sha256)
        if found is None:
            # Perhaps it was issued a moment ago.
            found = (await self._merchants.newest(merchant_id)).keys.get(sha256)
        if found is None:
            raise Unauthenticated
        self._remember(sha256, merchant_id)
        key_state, principal = found
        if not key_state.works_at(self._clock.now_ms()):
            await self._strangers.take()
            raise KeyRevoked
        return principal

    def _remember(self, sha256: str, merchant_id: UUID) -> None:
        """Whose key it is never changes, so it need not be read out of the key again."""
        if sha256 not in self._merchant_of:
            self._merchant_of[sha256] = merchant_id
            if len(self._merchant_of) > _CAPACITY:
                del self._merchant_of[next(iter(self._merchant_of))]


def require_scope(principal: Principal, scope: Scope) -> None:
    """Raise `ScopeMissing` unless the caller's key carries `scope`."""
    if scope not in principal.scopes:
        raise ScopeMissing(f"This needs a key with the scope {scope}.", scope=scope)
