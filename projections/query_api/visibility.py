"""What a caller may see: a merchant its own objects in its key's mode, the operator everything."""

from uuid import UUID

from projections.query_api.reading import QueryServices
from schemas.errors import LivemodeMismatch, NotFound
from schemas.identifiers import Prefix, public_id, shard_of
from schemas.routes import Principal


def covered_shards(services: QueryServices, principal: Principal) -> list[int]:
    """A merchant's own shard; all of them for the operator."""
    if principal.merchant_id is not None:
        return [shard_of(principal.merchant_id)]
    return list(range(services.shards))


def party_of(principal: Principal) -> str | None:
    """The party whose accounts the caller may see, or null for all."""
    return None if principal.merchant_id is None else public_id(Prefix.MERCHANT, principal.merchant_id)


def require_visible(principal: Principal, merchant_id: UUID, livemode: bool | None) -> None:
    """Raise `NotFound` for another merchant's object, `LivemodeMismatch` for one's own of the other mode."""
    if principal.merchant_id is None:
        return
    if merchant_id != principal.merchant_id:
        raise NotFound
    if livemode != principal.livemode:
        raise LivemodeMismatch
