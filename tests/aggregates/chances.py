"""What the state machine draws from, and how often each move is made."""

from hypothesis import strategies as st

from schemas.events.fees import IntentFeePlan
from schemas.events.psp import Decline, PspFee

amounts = st.integers(1, 400)
# Percent of what could be asked for; null for all of it, and above a hundred for too much.
shares = st.sampled_from([None, 1, 10, 20, 30, 50, 100, 130])
currencies = st.sampled_from(["EUR", "EUR", "USD"])
fees = st.none() | st.builds(PspFee, amount=st.integers(0, 9), currency=currencies, status=st.just("known"))
psps = st.sampled_from([*["simulator"] * 7, "other"])
wants = st.sampled_from(["authorize", *["capture"] * 5, *["refund"] * 3, "cancel"])
fates = st.sampled_from(["leave", "start", "yes", "yes", "no"])
plans = st.builds(
    IntentFeePlan,
    version=st.just(2),
    rate_ppm=st.sampled_from([0, 29_000, 333_333, 500_000]),
    fixed=st.sampled_from([0, 30]),
    refund_fee=st.sampled_from([0, 7]),
    returned_on_refund=st.booleans(),
    rounding=st.just("half_up"),
)
declines = st.builds(
    Decline,
    code=st.sampled_from(["do_not_honor", "lost_card"]),
    category=st.sampled_from(["hard", "soft", "data", "technical"]),
    psp_code=st.none(),
    network_code=st.none(),
    advice_code=st.none(),
    retryable=st.booleans(),
)

FEE = PspFee(amount=3, currency="EUR", status="known")
MOVES = (
    *["the_merchant_asks"] * 8,
    *["the_psp_answers"] * 3,
    "the_psp_answers_again",
    "the_psp_answers_late",
    "the_saga_starts_an_attempt",
    "the_saga_undoes_a_late_success",
    "the_saga_knows_nothing",
    "the_psp_takes_a_capture_back",
    "the_psp_takes_a_refund_back",
    "captured_funds_become_available",
    "the_hold_runs_out",
)
