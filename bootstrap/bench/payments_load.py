"""Whole payments as a load: the values that go to the payers' process and come back from it."""

from pathlib import Path
from typing import Final

import msgspec

from bootstrap.bench.load import CONNECTIONS, run_program

PAYERS: Final = "bootstrap.bench.payers"


class PaymentsLoad(msgspec.Struct, frozen=True, kw_only=True):
    """Payments of `amount` EUR cents over keep-alive connections, each connection one payment after another.

    A payment is two requests: create with `authorize`, then capture. Both wait for the PSP's outcome. The first
    `warm_up_s` seconds do not count; a payment that was begun is carried through after the `seconds` that do.
    """

    port: int
    seconds: float
    run: str
    bearers: tuple[str, ...]
    amount: int
    connections: int = CONNECTIONS
    warm_up_s: float = 0.0


class PaymentsResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: `captured` are the intents answered so, from first to last; the rest is of the time that counted.

    `began_s`, `ended_s` and `last_s`, that of the last answer, are of the monotonic clock; latencies, of whole payments, in milliseconds.
    """

    captured: tuple[str, ...]
    payments: int
    began_s: float
    ended_s: float
    last_s: float
    p50_ms: float
    p99_ms: float
    generator_cpu: float

    @property
    def per_second(self) -> float:
        return self.payments / (self.ended_s - self.began_s)


def run_payments(load: PaymentsLoad, folder: Path) -> PaymentsResult:
    """Drive `load` from a process of its own, with its files in `folder`.

    Raises:
        BenchError: an answer was no success, or the process failed, took too long, or finished no payment in time.
    """
    answer = run_program(PAYERS, msgspec.json.encode(load), folder, load.warm_up_s + load.seconds)
    return msgspec.json.decode(answer, type=PaymentsResult)
