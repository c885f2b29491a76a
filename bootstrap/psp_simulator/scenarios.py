"""What the simulator can be asked to do wrong: one table, scenario to behaviour per operation.

A scenario is chosen by the payment method's token, per operation: `tok_<authorize>[+capture=<s>][+refund=<s>][+void=<s>]`;
on UPI by the payer's VPA, `<s>@sim` (any other handle behaves well); or, for the authorization alone and only where the
method asks for nothing special, by the amount 900 000 0NN. Every code of `declines.py` is a scenario too. Adding one is
adding a row.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Literal

import msgspec

from bootstrap.psp_simulator.clock import SECOND_MS
from bootstrap.psp_simulator.declines import DECLINES

Kind = Literal["payment", "capture", "refund", "void"]
KINDS: tuple[Kind, ...] = ("payment", "capture", "refund", "void")

MAGIC_AMOUNT = 900_000_000
FOREVER_MS = 2**53
# Longer than any client's deadline: a silent answer must look like a lost one.
SILENCE_MS = 60 * SECOND_MS


class Answer(Enum):
    """What the caller of the first request under a key gets to see; what is kept for repeats is said beside it."""

    TRUE = "the operation as it is (kept)"
    SILENT = "nothing: the socket is held, then closed (kept: the true answer)"
    RESET = "nothing: the TCP connection is reset (kept: the true answer)"
    ERROR = "a 500 that tells nothing (kept)"
    TRUNCATED = "a 200 with half of its JSON (kept)"
    WRONG_AMOUNT = "the operation with one minor unit too many (kept)"
    UNAVAILABLE = "503 with Retry-After (not kept)"
    RATE_LIMITED = "429 with Retry-After (not kept)"


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How one operation goes under one scenario. Durations are simulated milliseconds."""

    processed: bool = True
    first_time_only: bool = False  # a repeat under the same key is then served as if nothing had been asked
    delay_ms: int = 0  # before it is processed; the key is in flight meanwhile
    pending_ms: int = 0  # answered 202 `pending`, and settled this much later
    decline: str | None = None
    answer: Answer = Answer.TRUE
    hidden_ms: int = 0  # the inquiry does not find it for so long after it was processed
    reversible: bool = True


Scenario = Mapping[Kind, Behaviour]


def everywhere(behaviour: Behaviour) -> Scenario:
    """The same behaviour for every kind of operation."""
    return dict.fromkeys(KINDS, behaviour)


SCENARIOS: Mapping[str, Scenario] = {
    **{code: everywhere(Behaviour(decline=code)) for code in DECLINES},
    "ok": everywhere(Behaviour()),
    "decline": everywhere(Behaviour(decline="generic_decline")),
    "timeout_before": everywhere(Behaviour(processed=False, first_time_only=True, answer=Answer.SILENT)),
    "timeout_after": everywhere(Behaviour(answer=Answer.SILENT)),
    "reset_after": everywhere(Behaviour(answer=Answer.RESET)),
    "http500_before": everywhere(Behaviour(processed=False, answer=Answer.ERROR)),
    "http500_after": everywhere(Behaviour(answer=Answer.ERROR)),
    "unavailable": everywhere(Behaviour(processed=False, answer=Answer.UNAVAILABLE)),
    "slow": everywhere(Behaviour(delay_ms=8 * SECOND_MS)),
    "pending_ok": everywhere(Behaviour(pending_ms=10 * SECOND_MS)),
    "pending_decline": everywhere(Behaviour(pending_ms=10 * SECOND_MS, decline="generic_decline")),
    "malformed": everywhere(Behaviour(answer=Answer.TRUNCATED)),
    "wrong_amount": everywhere(Behaviour(answer=Answer.WRONG_AMOUNT)),
    "unknown_forever": everywhere(Behaviour(answer=Answer.ERROR, hidden_ms=FOREVER_MS, reversible=False)),
    "not_found_then_ok": everywhere(Behaviour(answer=Answer.ERROR, hidden_ms=20 * SECOND_MS)),
    "rate_limited": everywhere(Behaviour(processed=False, answer=Answer.RATE_LIMITED)),
}

BY_AMOUNT: Mapping[int, str] = {
    MAGIC_AMOUNT + number: name
    for number, name in {
        0: "ok",
        1: "decline",
        2: "insufficient_funds",
        3: "lost_card",
        10: "timeout_before",
        11: "timeout_after",
        12: "reset_after",
        13: "http500_before",
        14: "http500_after",
        15: "unavailable",
        16: "slow",
        17: "pending_ok",
        18: "pending_decline",
        20: "malformed",
        21: "wrong_amount",
        24: "unknown_forever",
        25: "not_found_then_ok",
        26: "rate_limited",
    }.items()
}


class UnknownScenarioError(ValueError):
    """The token or VPA names a scenario that is not in the table, or is no token at all."""


class Script(msgspec.Struct, frozen=True):
    """The scenario of each operation on one payment."""

    payment: str = "ok"
    capture: str = "ok"
    refund: str = "ok"
    void: str = "ok"

    def scenario(self, kind: Kind) -> str:
        chosen: str = getattr(self, kind)
        return chosen

    def with_amount(self, amount: int) -> "Script":
        """Let a magic amount choose the authorization's scenario where the method asks for nothing special."""
        return msgspec.structs.replace(self, payment=BY_AMOUNT.get(amount, "ok")) if self.payment == "ok" else self

    def packed(self) -> str:
        """One string, read back by `unpacked`."""
        return f"{self.payment}+{self.capture}+{self.refund}+{self.void}"

    @staticmethod
    def unpacked(text: str) -> "Script":
        return Script(*text.split("+"))


def script_of_token(token: str) -> Script:
    """Read `tok_<authorize>[+capture=<s>][+refund=<s>][+void=<s>]`.

    Raises:
        UnknownScenarioError: the text is no such token, names an operation twice, or a scenario that does not exist.
    """
    prefix, _, rest = token.partition("tok_")
    if prefix or not rest:
        raise UnknownScenarioError("a token reads tok_<scenario>[+capture=<scenario>][+refund=…][+void=…]")
    authorize, *others = rest.split("+")
    chosen = {"payment": authorize}
    for part in others:
        operation, _, scenario = part.partition("=")
        if operation not in KINDS[1:] or operation in chosen:
            raise UnknownScenarioError(f"{part!r} is not capture=, refund= or void=, each at most once")
        chosen[operation] = scenario
    for scenario in chosen.values():
        if scenario not in SCENARIOS:
            raise UnknownScenarioError(f"there is no scenario {scenario!r}")
    return Script(**chosen)


def script_of_vpa(vpa: str) -> Script:
    """Read `<s>@sim`; every other handle is an ordinary payer.

    Raises:
        UnknownScenarioError: the handle is `sim` and the scenario does not exist.
    """
    name, _, handle = vpa.rpartition("@")
    if handle.lower() != "sim":
        return Script()
    if name not in SCENARIOS:
        raise UnknownScenarioError(f"there is no scenario {name!r}")
    return Script(payment=name)
