"""The merchant: registration, fee plans, the settlement delay, keys."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from aggregates import merchant
from aggregates.merchant import (
    DEFAULT_SETTLEMENT_DELAY_S,
    IssueApiKey,
    Merchant,
    RegisterMerchant,
    RevokeApiKey,
    SetFeePlan,
    SetSettlementDelay,
    intent_fee_plan,
)
from schemas.codec import decode, encode
from schemas.envelope import Actor, Envelope
from schemas.errors import InvalidState, NotFound, Rejected, ValidationFailed
from schemas.events import (
    ApiKeyIssued,
    ApiKeyRevoked,
    Event,
    FeePlanSet,
    MerchantRegistered,
    PaymentCanceled,
    SettlementDelaySet,
)
from schemas.events.fees import IntentFeePlan
from schemas.identifiers import derived_id
from schemas.records import RecordedEvent

T0 = 1_790_000_000_000
SHARD = 5
STREAM = derived_id(SHARD, "merchant")
KEY = derived_id(SHARD, "key")
REGISTER = RegisterMerchant(name="Blumen Becker", country="DE")
PLAN = SetFeePlan(rate_ppm=29_000, fixed={"EUR": 30, "JPY": 40}, refund_fee={"EUR": 5}, returned_on_refund=True)
ISSUE = IssueApiKey(
    key_id=KEY, key_sha256="ab" * 32, scopes=("payments:read", "payments:write"), livemode=True, expires_at=None
)
REVOKE = RevokeApiKey(key_id=KEY, reason="lost")


def recorded(event: Event, version: int) -> RecordedEvent:
    return RecordedEvent(
        event=decode(encode(event)),
        envelope=Envelope(
            effective_at=T0,
            merchant_id=STREAM,
            livemode=None,
            currency=None,
            actor=Actor(type="operator", id="ops"),
            source="operator",
            correlation_id=None,
            causation_id=None,
            traceparent=None,
        ),
        event_id=UUID(int=version),
        stream_id=STREAM,
        version=version,
        shard=SHARD,
        position=version,
        recorded_at=T0 + version,
    )


def after(*commands: merchant.Command) -> Merchant:
    state = merchant.initial()
    for command in commands:
        for event in merchant.decide(command, state):
            state = merchant.evolve(state, recorded(event, state.version + 1))
    return state


def test_a_merchant_is_registered_once() -> None:
    assert merchant.decide(REGISTER, merchant.initial()) == [MerchantRegistered(name="Blumen Becker", country="DE")]
    state = after(REGISTER)
    assert (state.id, state.name, state.country, state.version) == (STREAM, "Blumen Becker", "DE", 1)
    assert state.registered_at == T0 + 1
    with pytest.raises(InvalidState) as refused:
        merchant.decide(REGISTER, state)
    assert (refused.value.current, refused.value.allowed) == ("registered", [])


@pytest.mark.parametrize(
    ("command", "pointer", "code"),
    [
        (RegisterMerchant(name=" ", country="DE"), "/name", "out_of_range"),
        (RegisterMerchant(name="x" * 201, country="DE"), "/name", "out_of_range"),
        (RegisterMerchant(name="a\x01b", country="DE"), "/name", "bad_format"),
        (RegisterMerchant(name="a\nb", country="DE"), "/name", "bad_format"),
        (RegisterMerchant(name="a\u2028b", country="DE"), "/name", "bad_format"),
        (RegisterMerchant(name="a\udc80b", country="DE"), "/name", "bad_format"),
        (RegisterMerchant(name="x", country="de"), "/country", "bad_format"),
        (RegisterMerchant(name="x", country="XX"), "/country", "bad_format"),
        (RegisterMerchant(name="x", country="UK"), "/country", "bad_format"),
        (RegisterMerchant(name="x", country="DEU"), "/country", "bad_format"),
    ],
)
def test_a_registration_names_a_merchant_and_its_country(command: RegisterMerchant, pointer: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        merchant.decide(command, merchant.initial())
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(pointer, code)]


@pytest.mark.parametrize("command", [PLAN, SetSettlementDelay(delay_s=5), ISSUE, REVOKE])
def test_nothing_happens_to_a_merchant_that_does_not_exist(command: merchant.Command) -> None:
    with pytest.raises(NotFound):
        merchant.decide(command, merchant.initial())


def test_without_a_plan_nothing_is_charged_and_funds_wait_two_days() -> None:
    state = after(REGISTER)
    assert intent_fee_plan(state, "EUR") == IntentFeePlan(
        version=0, rate_ppm=0, fixed=0, refund_fee=0, returned_on_refund=False, rounding="half_up"
    )
    assert state.settlement_delay_s == DEFAULT_SETTLEMENT_DELAY_S == 172_800


def test_each_plan_has_the_next_version_and_is_narrowed_to_a_currency() -> None:
    state = after(REGISTER, PLAN)
    assert intent_fee_plan(state, "JPY") == IntentFeePlan(
        version=1, rate_ppm=29_000, fixed=40, refund_fee=0, returned_on_refund=True, rounding="half_up"
    )
    assert intent_fee_plan(state, "EUR").refund_fee == 5
    assert intent_fee_plan(state, "USD").fixed == 0
    again = SetFeePlan(rate_ppm=10_000, fixed={}, refund_fee={}, returned_on_refund=False)
    assert merchant.decide(again, state) == [
        FeePlanSet(version=2, rate_ppm=10_000, fixed={}, refund_fee={}, returned_on_refund=False, rounding="half_up")
    ]


def test_setting_what_is_set_changes_nothing() -> None:
    state = after(REGISTER, PLAN, SetSettlementDelay(delay_s=5))
    assert merchant.decide(PLAN, state) == []
    assert merchant.decide(SetSettlementDelay(delay_s=5), state) == []


@pytest.mark.parametrize(
    ("command", "pointer", "code"),
    [
        (SetFeePlan(rate_ppm=-1, fixed={}, refund_fee={}, returned_on_refund=False), "/rate_ppm", "out_of_range"),
        (
            SetFeePlan(rate_ppm=1_000_001, fixed={}, refund_fee={}, returned_on_refund=False),
            "/rate_ppm",
            "out_of_range",
        ),
        (
            SetFeePlan(rate_ppm=0, fixed={"EUR": -1}, refund_fee={}, returned_on_refund=False),
            "/fixed/EUR",
            "out_of_range",
        ),
        (
            SetFeePlan(rate_ppm=0, fixed={"XAU": 1}, refund_fee={}, returned_on_refund=False),
            "/fixed/XAU",
            "bad_currency",
        ),
        (
            SetFeePlan(rate_ppm=0, fixed={}, refund_fee={"eur": 1}, returned_on_refund=False),
            "/refund_fee/eur",
            "bad_currency",
        ),
        (SetSettlementDelay(delay_s=-1), "/delay_s", "out_of_range"),
        (SetSettlementDelay(delay_s=31_536_001), "/delay_s", "out_of_range"),
        (
            IssueApiKey(key_id=KEY, key_sha256="AB" * 32, scopes=("ops:write",), livemode=True, expires_at=None),
            "/key_sha256",
            "bad_format",
        ),
        (
            IssueApiKey(key_id=KEY, key_sha256="ab" * 32, scopes=(), livemode=True, expires_at=None),
            "/scopes",
            "bad_format",
        ),
        (
            IssueApiKey(key_id=KEY, key_sha256="ab" * 32, scopes=("all",), livemode=True, expires_at=None),
            "/scopes",
            "bad_format",
        ),
    ],
)
def test_values_outside_their_range_are_named(command: merchant.Command, pointer: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        merchant.decide(command, after(REGISTER))
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(pointer, code)]


def test_the_delay_is_set_for_intents_from_now_on() -> None:
    assert merchant.decide(SetSettlementDelay(delay_s=5), after(REGISTER)) == [SettlementDelaySet(delay_s=5)]
    assert after(REGISTER, SetSettlementDelay(delay_s=5)).settlement_delay_s == 5


def test_a_key_is_issued_once_under_its_id() -> None:
    state = after(REGISTER)
    assert merchant.decide(ISSUE, state) == [
        ApiKeyIssued(
            key_id=KEY,
            key_sha256="ab" * 32,
            scopes=("payments:read", "payments:write"),
            livemode=True,
            expires_at=None,
        )
    ]
    issued = after(REGISTER, ISSUE)
    assert issued.keys[KEY].works_at(T0)
    assert issued.keys[KEY].issued_at == T0 + 2
    assert merchant.decide(ISSUE, issued) == []
    other = IssueApiKey(key_id=KEY, key_sha256="cd" * 32, scopes=("ops:write",), livemode=True, expires_at=None)
    with pytest.raises(InvalidState) as refused:
        merchant.decide(other, issued)
    assert (refused.value.current, refused.value.allowed) == ("issued", [])


def test_a_revoked_key_never_works_again() -> None:
    issued = after(REGISTER, ISSUE)
    assert merchant.decide(REVOKE, issued) == [ApiKeyRevoked(key_id=KEY, reason="lost")]
    revoked = after(REGISTER, ISSUE, REVOKE)
    assert not revoked.keys[KEY].works_at(T0)
    assert merchant.decide(REVOKE, revoked) == []
    assert merchant.decide(ISSUE, revoked) == []


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (RevokeApiKey(key_id=derived_id(SHARD, "other"), reason="lost"), NotFound),
        (RevokeApiKey(key_id=KEY, reason="x" * 501), ValidationFailed),
    ],
)
def test_what_cannot_be_revoked(command: RevokeApiKey, refusal: type[Rejected]) -> None:
    with pytest.raises(refusal):
        merchant.decide(command, after(REGISTER, ISSUE))


def test_a_reason_that_is_too_long_is_named() -> None:
    with pytest.raises(ValidationFailed) as refused:
        merchant.decide(RevokeApiKey(key_id=KEY, reason="x" * 501), after(REGISTER, ISSUE))
    assert [(error.pointer, error.code) for error in refused.value.errors] == [("/reason", "too_long")]


def test_what_is_just_within_its_limit_is_accepted() -> None:
    register, year = RegisterMerchant(name="x" * 200, country="DE"), SetSettlementDelay(delay_s=31_536_000)
    plan = SetFeePlan(rate_ppm=1_000_000, fixed={"EUR": 999_999_999_999}, refund_fee={}, returned_on_refund=False)
    state = after(register, year, plan, ISSUE, RevokeApiKey(key_id=KEY, reason="x" * 500))
    assert (state.name, state.settlement_delay_s, state.fee_plan.rate_ppm) == ("x" * 200, 31_536_000, 1_000_000)
    assert state.keys[KEY].revoked_at is not None


def test_a_key_stops_working_when_it_expires() -> None:
    expiring = IssueApiKey(
        key_id=KEY, key_sha256="ab" * 32, scopes=("payments:read",), livemode=False, expires_at=T0 + 10
    )
    key = after(REGISTER, expiring).keys[KEY]
    assert key.works_at(T0 + 9)
    assert not key.works_at(T0 + 10)


def test_versions_follow_the_log() -> None:
    commands: Sequence[merchant.Command] = (REGISTER, PLAN, SetSettlementDelay(delay_s=5), ISSUE, REVOKE)
    assert [after(*commands[:count]).version for count in range(6)] == [0, 1, 2, 3, 4, 5]


def test_an_event_of_another_aggregate_is_a_defect() -> None:
    with pytest.raises(KeyError):
        merchant.evolve(after(REGISTER), recorded(PaymentCanceled(reason="x"), 2))
