"""Who is calling: a merchant by an API key, or the operator.

Only a key's SHA-256 is compared, so neither the log nor this process keeps one; and a look-up by a hash tells an
attacker who measures time nothing about the key.
"""

from collections.abc import Mapping
from typing import Final, get_args

from command_api.api_keys import key_sha256, parse_key
from command_api.merchants import Merchants
from schemas.clock import Clock
from schemas.envelope import Actor
from schemas.errors import KeyRevoked, ScopeMissing, Unauthenticated
from schemas.identifiers import Prefix, public_id
from schemas.routes import Principal, Scope

_SCHEME: Final = "bearer "
_MAX_LENGTH: Final = 512
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

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The caller, by the `authorization` header (names lower-case).

        A key that was revoked stops working within the age that `Merchants` allows (half a second); one that was just
        issued works at once.

        Raises:
            Unauthenticated: no bearer credentials, or none that were ever issued.
            KeyRevoked: the key was revoked, or its time is over.
            ShardUnavailable: the merchant's stream cannot be read.
        """
        header = headers.get("authorization", "")
        if len(header) > _MAX_LENGTH or header[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthenticated
        text = header[len(_SCHEME) :].strip()
        sha256 = key_sha256(text)
        key = parse_key(text)
        if key is None:
            if sha256 == self._operator_key_sha256:
                return _OPERATOR
            raise Unauthenticated
        merchant = await self._merchants.current(key.merchant_id)
        issued = merchant.keys.get(sha256)
        if issued is None:
            # Perhaps it was issued a moment ago.
            issued = (await self._merchants.read(key.merchant_id)).keys.get(sha256)
        if issued is None:
            raise Unauthenticated
        if not issued.works_at(self._clock.now_ms()):
            raise KeyRevoked
        return Principal(
            merchant_id=key.merchant_id,
            livemode=issued.livemode,
            scopes=frozenset(issued.scopes),
            actor=Actor(type="api_key", id=public_id(Prefix.API_KEY, issued.id)),
        )


def require_scope(principal: Principal, scope: Scope) -> None:
    """Raise `ScopeMissing` unless the caller's key carries `scope`."""
    if scope not in principal.scopes:
        raise ScopeMissing(f"This needs a key with the scope {scope}.", scope=scope)
