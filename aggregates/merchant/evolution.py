"""`evolve`: how each event changes what is known of a merchant. It believes the log and checks nothing."""

from typing import Final

from msgspec.structs import replace

from aggregates.merchant.state import ApiKey, FeePlan, Merchant
from schemas.events import ApiKeyIssued, ApiKeyRevoked, FeePlanSet, MerchantRegistered, SettlementDelaySet
from schemas.records import RecordedEvent

_NOTHING: Final = Merchant()


def initial() -> Merchant:
    """What is known of a merchant before its first event: it does not exist."""
    return _NOTHING


def evolve(state: Merchant, recorded: RecordedEvent) -> Merchant:
    """The state after `recorded`, the next event of the same stream.

    Raises:
        KeyError: an event that no merchant has.
    """
    version = recorded.version
    match recorded.event:
        case MerchantRegistered(name=name, country=country):
            return replace(
                state,
                id=recorded.stream_id,
                version=version,
                name=name,
                country=country,
                registered_at=recorded.recorded_at,
            )
        case FeePlanSet() as event:
            plan = FeePlan(
                version=event.version,
                rate_ppm=event.rate_ppm,
                fixed=event.fixed,
                refund_fee=event.refund_fee,
                returned_on_refund=event.returned_on_refund,
            )
            return replace(state, version=version, fee_plan=plan)
        case SettlementDelaySet(delay_s=delay_s):
            return replace(state, version=version, settlement_delay_s=delay_s)
        case ApiKeyIssued() as event:
            key = ApiKey(
                id=event.key_id,
                sha256=event.key_sha256,
                scopes=event.scopes,
                livemode=event.livemode,
                expires_at=event.expires_at,
                issued_at=recorded.recorded_at,
            )
            return replace(state, version=version, keys={**state.keys, key.id: key})
        case ApiKeyRevoked(key_id=key_id):
            revoked = replace(state.keys[key_id], revoked_at=recorded.recorded_at)
            return replace(state, version=version, keys={**state.keys, key_id: revoked})
        case _:
            raise KeyError(type(recorded.event))
