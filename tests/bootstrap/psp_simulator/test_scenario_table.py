"""The table of scenarios, and how a token, a VPA or an amount picks from it."""

import pytest

from bootstrap.psp_simulator.declines import DECLINES
from bootstrap.psp_simulator.scenarios import (
    BY_AMOUNT,
    KINDS,
    SCENARIOS,
    Script,
    UnknownScenarioError,
    script_of_token,
    script_of_vpa,
)


def test_the_magic_amounts_are_those_of_the_contract() -> None:
    assert {amount - 900_000_000: name for amount, name in BY_AMOUNT.items() if name != "ok"} == {
        1: "decline", 2: "insufficient_funds", 3: "lost_card", 10: "timeout_before", 11: "timeout_after",
        12: "reset_after", 13: "http500_before", 14: "http500_after", 15: "unavailable", 16: "slow", 17: "pending_ok",
        18: "pending_decline", 20: "malformed", 21: "wrong_amount", 24: "unknown_forever", 25: "not_found_then_ok",
        26: "rate_limited",
    }  # fmt: skip
    assert set(BY_AMOUNT.values()) <= set(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_says_what_each_operation_does(name: str) -> None:
    assert set(SCENARIOS[name]) == set(KINDS)
    assert {behaviour.decline for behaviour in SCENARIOS[name].values()} <= {None, *DECLINES}


def test_a_token_scripts_each_operation() -> None:
    assert script_of_token("tok_ok") == Script()
    assert script_of_token("tok_slow+refund=decline+capture=reset_after") == Script(
        payment="slow", capture="reset_after", refund="decline"
    )
    assert script_of_token("tok_ok+void=pending_ok").void == "pending_ok"


@pytest.mark.parametrize(
    "token",
    ["", "tok_", "ok", "xtok_ok", "tok_ok+", "tok_ok+capture", "tok_ok+capture=", "tok_ok+payment=ok", "tok_OK",
     "tok_ok+capture=ok+capture=ok", "tok_ok+capture=nothing", "tok_3ds", "tok_late_success"],
)  # fmt: skip
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(UnknownScenarioError):
        script_of_token(token)


def test_only_the_handle_sim_is_a_script() -> None:
    assert script_of_vpa("decline@sim") == Script(payment="decline")
    assert script_of_vpa("decline@SIM") == Script(payment="decline")
    assert script_of_vpa("decline@okbank") == Script()
    with pytest.raises(UnknownScenarioError):
        script_of_vpa("asha@sim")


def test_a_script_is_read_back_as_it_was_packed() -> None:
    script = Script(payment="slow", capture="ok", refund="decline", void="reset_after")
    assert Script.unpacked(script.packed()) == script


def test_the_amount_counts_only_where_the_token_is_ok() -> None:
    assert Script(capture="decline").with_amount(900_000_016) == Script(payment="slow", capture="decline")
    assert Script(payment="decline").with_amount(900_000_016).payment == "decline"
    assert Script().with_amount(900_000_027).payment == "ok"
