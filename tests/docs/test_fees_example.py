"""The example of `docs/ledger.md`, "How fees are computed", decided by the aggregate and posted by the ledger's rules."""

from collections.abc import Iterator
from pathlib import Path

from aggregates.payment_intent.commands import RecordCaptureReversal
from projections.ledger import post
from projections.ledger.accounts import PLATFORM_FEE
from schemas.events import CaptureReversed, PaymentCaptured, PaymentRefunded
from schemas.events.fees import IntentFeePlan
from schemas.records import RecordedEvent
from tests.aggregates.commands import authorized, capture, named, refund, result
from tests.aggregates.scenario import given

LEDGER = Path(__file__).parents[2] / "docs" / "ledger.md"
PLAN = IntentFeePlan(version=1, rate_ppm=29_000, fixed=30, refund_fee=25, returned_on_refund=True, rounding="half_up")
TAKEN_BACK = RecordCaptureReversal(
    capture_id=named("third.capture"), amount=3334, psp_fee_returned=0, result=result("third"), reason="bank_returned"
)


def written() -> list[tuple[str, ...]]:
    """The rows of the section's table, below its head."""
    _, _, section = LEDGER.read_text(encoding="utf-8").partition("## How fees are computed")
    table = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table[2:]]


def computed(history: tuple[RecordedEvent, ...]) -> Iterator[tuple[str, ...]]:
    kept = 0
    for recorded in history:
        kept -= sum(line.amount for done in post(recorded) for line in done.lines if line.account == PLATFORM_FEE)
        match recorded.event:
            case PaymentCaptured(amount=amount, platform_fee=fee):
                charged = f"{fee.percent} + {fee.fixed}" if fee.fixed else str(fee.percent)
                yield "capture", str(amount), charged, "–", "–", str(kept)
            case PaymentRefunded(amount=amount, platform_fee_returned=returned, refund_fee=refund_fee):
                yield "refund", str(amount), "–", str(returned), str(refund_fee), str(kept)
            case CaptureReversed(amount=amount, platform_fee_returned=returned):
                yield "the PSP takes back the last capture", str(amount), "–", str(returned), "–", str(kept)
            case _:
                pass


def test_every_figure_of_the_example_is_what_the_code_computes() -> None:
    payment = given(
        authorized(10_000, plan=PLAN),
        *(capture(amount, name) for amount, name in ((3333, "first"), (3333, "second"), (3334, "third"))),
        refund(5000, "half"),
        TAKEN_BACK,
        refund(1666, "rest"),
    )
    assert list(computed(payment.history)) == written()
    assert payment.state.refundable == 0
