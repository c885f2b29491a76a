"""PSPs that adapters are held against, and what is asked of them there.

To hold another adapter to the contract, give its bench a row in `BENCHES`.
"""

import itertools
from collections.abc import Callable
from typing import Protocol

import httpx
import msgspec

from processors.psp.provider import (
    Answer,
    Asked,
    AuthorizeOrder,
    CaptureOrder,
    Inquiry,
    PaymentServiceProvider,
    RefundOrder,
    VoidOrder,
)
from processors.psp.simulator import SimulatorOptions, SimulatorPsp
from schemas.events.payment_intent import PaymentMethod
from tests.bootstrap.psp_simulator.server import KEY, free_port

_numbers = itertools.count(1)


class Bench(Protocol):
    """A PSP under test: adapters to it, and payment methods that make it behave as named."""

    def adapter(self, *, deadline_s: float = 20.0, reachable: bool = True) -> PaymentServiceProvider: ...

    def method(self, behaviour: str) -> PaymentMethod: ...

    def fee(self, captured: int) -> int | None:
        """What this PSP's answer to a capture of so many minor units of EUR says of its fee; None: nothing."""
        ...

    async def settle(self) -> None:
        """Have what is pending come to its end; until then it stays pending."""
        ...


class SimulatorBench:
    def __init__(self, url: str) -> None:
        self._url = url

    def adapter(self, *, deadline_s: float = 20.0, reachable: bool = True) -> SimulatorPsp:
        url = self._url if reachable else f"http://127.0.0.1:{free_port()}"
        return SimulatorPsp(SimulatorOptions(url=url, key=KEY, deadline_s=deadline_s, connect_s=deadline_s))

    def method(self, behaviour: str) -> PaymentMethod:
        return PaymentMethod(
            type="card", token_ref=f"tok_{behaviour}", brand="visa", last4="4242", payer_ref=None, mask=None
        )

    def fee(self, captured: int) -> int | None:
        return (captured * 11 + 500) // 1000

    async def settle(self) -> None:
        async with httpx.AsyncClient(base_url=self._url) as controls:
            (await controls.post("/sim/clock", json={"advance_s": 10})).raise_for_status()


BENCHES: dict[str, Callable[[str], Bench]] = {"simulator": SimulatorBench}


def order(bench: Bench, behaviour: str = "ok", **fields: object) -> AuthorizeOrder:
    reference = f"att_contract_{next(_numbers)}"
    defaults: dict[str, object] = {
        "reference": reference,
        "idempotency_key": f"key-{reference}",
        "amount": 10_000,
        "currency": "EUR",
        "sale": False,
        "payment_method": bench.method(behaviour),
        "return_url": None,
    }
    return msgspec.convert(defaults | fields, AuthorizeOrder)


def inquiry(about: AuthorizeOrder | CaptureOrder | RefundOrder | VoidOrder, operation: Asked) -> Inquiry:
    sale = isinstance(about, AuthorizeOrder) and about.sale
    return Inquiry(
        reference=about.reference, operation=operation, sale=sale, amount=about.amount, currency=about.currency
    )


async def held(psp: PaymentServiceProvider, bench: Bench, behaviour: str = "ok") -> str:
    """The PSP's id of a fresh hold of 10,000."""
    answer = await psp.authorize(order(bench, behaviour))
    assert isinstance(answer, Answer)
    assert answer.psp_reference is not None
    return answer.psp_reference
