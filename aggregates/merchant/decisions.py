"""`decide`: what a command causes on a merchant, or why not."""

import re
from collections.abc import Mapping
from typing import Final, assert_never, get_args
from unicodedata import category

from aggregates.merchant.commands import (
    Command,
    IssueApiKey,
    RegisterMerchant,
    RevokeApiKey,
    SetFeePlan,
    SetSettlementDelay,
)
from aggregates.merchant.state import ApiKey, FeePlan, Merchant
from schemas.countries import COUNTRIES
from schemas.currencies import EXPONENTS
from schemas.errors import FieldError, InvalidState, NotFound, ValidationFailed
from schemas.events import ApiKeyIssued, ApiKeyRevoked, Event, FeePlanSet, MerchantRegistered, SettlementDelaySet
from schemas.money import MAX_AMOUNT
from schemas.routes import Scope

MAX_NAME_LENGTH: Final = 200
MAX_REASON_LENGTH: Final = 500
MAX_SETTLEMENT_DELAY_S: Final = 365 * 24 * 60 * 60
_MILLION: Final = 1_000_000
# Unicode's categories of control characters, halves of surrogate pairs, and ends of lines and paragraphs.
_NOT_TEXT: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def decide(command: Command, state: Merchant) -> list[Event]:
    """The events that `command` causes; none where everything already is as it asks.

    Raises:
        ValidationFailed: a value outside its range, each named by its field.
        InvalidState: the merchant, or another key under this id, exists.
        NotFound: there is no such merchant or key.
    """
    if isinstance(command, RegisterMerchant):
        return _register(command, state)
    if not state.exists:
        raise NotFound
    match command:
        case SetFeePlan():
            return _set_fee_plan(command, state)
        case SetSettlementDelay():
            _check_range("/delay_s", command.delay_s, MAX_SETTLEMENT_DELAY_S)
            same = command.delay_s == state.settlement_delay_s
            return [] if same else [SettlementDelaySet(delay_s=command.delay_s)]
        case IssueApiKey():
            return _issue_key(command, state)
        case RevokeApiKey():
            return _revoke_key(command, state)
        case _:
            assert_never(command)


def _register(command: RegisterMerchant, state: Merchant) -> list[Event]:
    if state.exists:
        raise InvalidState("This merchant is registered already.", current="registered", allowed=[])
    if not command.name.strip() or len(command.name) > MAX_NAME_LENGTH:
        raise ValidationFailed([FieldError("/name", "out_of_range", f"1 to {MAX_NAME_LENGTH} characters")])
    if any(category(character) in _NOT_TEXT for character in command.name):
        raise ValidationFailed([FieldError("/name", "bad_format", "one line of text, without control characters")])
    if command.country not in COUNTRIES:
        raise ValidationFailed([FieldError("/country", "bad_format", "an ISO 3166-1 alpha-2 code, as in DE")])
    return [MerchantRegistered(name=command.name, country=command.country)]


def _set_fee_plan(command: SetFeePlan, state: Merchant) -> list[Event]:
    _check_range("/rate_ppm", command.rate_ppm, _MILLION)
    _check_amounts("/fixed", command.fixed)
    _check_amounts("/refund_fee", command.refund_fee)
    version = state.fee_plan.version
    asked = FeePlan(
        version=version,
        rate_ppm=command.rate_ppm,
        fixed=dict(command.fixed),
        refund_fee=dict(command.refund_fee),
        returned_on_refund=command.returned_on_refund,
    )
    if asked == state.fee_plan:
        return []
    return [
        FeePlanSet(
            version=version + 1,
            rate_ppm=command.rate_ppm,
            fixed=dict(command.fixed),
            refund_fee=dict(command.refund_fee),
            returned_on_refund=command.returned_on_refund,
            rounding="half_up",
        )
    ]


def _issue_key(command: IssueApiKey, state: Merchant) -> list[Event]:
    if not _SHA256.fullmatch(command.key_sha256):
        raise ValidationFailed([FieldError("/key_sha256", "bad_format", "64 lower-case hex digits")])
    known = get_args(Scope)
    if not command.scopes or any(scope not in known for scope in command.scopes):
        raise ValidationFailed([FieldError("/scopes", "bad_format", f"one or more of {', '.join(known)}")])
    key = state.keys.get(command.key_id)
    if key is not None:
        if _is_same(key, command):
            return []
        raise InvalidState("Another key has this id.", current="issued", allowed=[])
    return [
        ApiKeyIssued(
            key_id=command.key_id,
            key_sha256=command.key_sha256,
            scopes=command.scopes,
            livemode=command.livemode,
            expires_at=command.expires_at,
        )
    ]


def _is_same(key: ApiKey, command: IssueApiKey) -> bool:
    asked = (command.key_sha256, command.scopes, command.livemode, command.expires_at)
    return (key.sha256, key.scopes, key.livemode, key.expires_at) == asked


def _revoke_key(command: RevokeApiKey, state: Merchant) -> list[Event]:
    key = state.keys.get(command.key_id)
    if key is None:
        raise NotFound("This merchant has no such key.")
    if len(command.reason) > MAX_REASON_LENGTH:
        raise ValidationFailed([FieldError("/reason", "too_long", f"at most {MAX_REASON_LENGTH} characters")])
    if key.revoked_at is not None:
        return []
    return [ApiKeyRevoked(key_id=command.key_id, reason=command.reason)]


def _check_range(pointer: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise ValidationFailed([FieldError(pointer, "out_of_range", f"0 to {most}")])


def _check_amounts(pointer: str, amounts: Mapping[str, int]) -> None:
    for currency, amount in amounts.items():
        if currency not in EXPONENTS:
            raise ValidationFailed([FieldError(f"{pointer}/{currency}", "bad_currency", "an ISO 4217 code")])
        _check_range(f"{pointer}/{currency}", amount, MAX_AMOUNT)
