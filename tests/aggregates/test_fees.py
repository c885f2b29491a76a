"""The arithmetic of fees: exact, in integers, and the same however a payment is split."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.events.fees import IntentFeePlan
from schemas.events.payment_intent import CaptureMethod
from schemas.money import round_half_up_ppm
from tests.aggregates import commands
from tests.aggregates import scenario as scenarios

plans = st.builds(
    IntentFeePlan,
    version=st.just(1),
    rate_ppm=st.integers(0, 1_000_000),
    fixed=st.integers(0, 500),
    refund_fee=st.integers(0, 50),
    returned_on_refund=st.booleans(),
    rounding=st.just("half_up"),
)
splits = st.lists(st.integers(1, 5000), min_size=1, max_size=8)


def plan(rate_ppm: int, fixed: int = 0) -> IntentFeePlan:
    return IntentFeePlan(
        version=1, rate_ppm=rate_ppm, fixed=fixed, refund_fee=0, returned_on_refund=False, rounding="half_up"
    )


def fees_of(parts: list[int], terms: IntentFeePlan) -> list[int]:
    scenario = scenarios.given(commands.authorized(sum(parts), plan=terms))
    for number, part in enumerate(parts):
        scenario = scenario.given(commands.capture(part, f"capture_{number}"))
    return [capture.platform_fee or 0 for capture in scenario.state.captures.values()]


def test_the_example_of_the_contract() -> None:
    assert fees_of([17, 17, 17], plan(29_000)) == [0, 1, 0]


def test_halves_are_rounded_up() -> None:
    assert fees_of([50], plan(10_000)) == [1]
    assert fees_of([49], plan(10_000)) == [0]


def test_the_fixed_part_is_charged_once_at_the_first_capture() -> None:
    assert fees_of([100, 100, 100], plan(0, fixed=30)) == [30, 0, 0]


def test_a_failed_first_capture_leaves_the_fixed_part_to_the_next() -> None:
    scenario = scenarios.given(commands.authorized(1000, plan=plan(0, fixed=30)))
    scenario = scenario.given(
        commands.request_capture(100, "failing"), commands.start("failing", "capture"), commands.refused("failing")
    )
    scenario = scenario.given(commands.capture(100, "first"), commands.capture(100, "second"))
    assert [capture.platform_fee for capture in scenario.state.captures.values()] == [None, 30, 0]


@given(splits, plans)
def test_splitting_a_capture_never_changes_the_total(parts: list[int], terms: IntentFeePlan) -> None:
    whole = round_half_up_ppm(sum(parts), terms.rate_ppm) + terms.fixed
    fees = fees_of(parts, terms)
    assert sum(fees) == whole
    assert all(fee >= 0 for fee in fees)


@given(splits, plans)
def test_a_sale_costs_what_a_hold_and_capture_cost(parts: list[int], terms: IntentFeePlan) -> None:
    amount = sum(parts)
    totals = []
    methods: tuple[CaptureMethod, ...] = ("automatic", "manual")
    for method in methods:
        created = commands.create(amount, capture_method=method, plan=terms, authorize="authorize")
        scenario = scenarios.given(
            created, commands.start("authorize", "authorize"), commands.approved("authorize", amount)
        )
        if method == "manual":
            scenario = scenario.given(commands.capture(amount))
        totals.append(scenario.state.fee_charged)
    assert totals[0] == totals[1]


@given(splits, plans)
def test_refunding_everything_returns_every_fee_or_none(parts: list[int], terms: IntentFeePlan) -> None:
    scenario = scenarios.given(commands.authorized(sum(parts), plan=terms), commands.capture(sum(parts)))
    for number, part in enumerate(parts):
        scenario = scenario.given(commands.refund(part, f"refund_{number}"))
    state = scenario.state
    assert state.fee_returned_on_refunds == (state.fee_charged if terms.returned_on_refund else 0)
