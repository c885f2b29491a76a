"""What every PSP adapter promises the saga, over a real server of that PSP; today that is the simulator.

To hold another adapter to it, give its bench a row in `psp_bench.BENCHES`.
"""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from processors.psp.provider import (
    Answer,
    CaptureOrder,
    NotFound,
    NotProcessed,
    PaymentServiceProvider,
    Pending,
    RefundOrder,
    ReversalOrder,
    Undone,
    Unknown,
    VoidOrder,
)
from tests.bootstrap.psp_simulator.server import SimulatorProcess
from tests.contract.psp_bench import BENCHES, Bench, held, inquiry, order


@pytest_asyncio.fixture(scope="module", params=BENCHES)
async def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    process = SimulatorProcess(tmp_path_factory.mktemp("psp_contract"))
    await process.start()
    yield BENCHES[request.param](process.url)
    process.terminate()


@pytest_asyncio.fixture
async def psp(bench: Bench) -> AsyncIterator[PaymentServiceProvider]:
    adapter = bench.adapter()
    yield adapter
    await adapter.close()


async def test_a_hold_is_approved_with_everything_to_find_it_again(psp: PaymentServiceProvider, bench: Bench) -> None:
    answer = await psp.authorize(order(bench))

    assert isinstance(answer, Answer)
    assert (answer.approved, answer.amount, answer.currency, answer.decline) == (True, 10_000, "EUR", None)
    assert answer.psp_reference
    assert answer.psp_operation_reference
    assert answer.processed_at is not None
    assert answer.expires_at is not None
    assert answer.expires_at > answer.processed_at
    assert answer.raw_sha256 is not None
    assert len(answer.raw_sha256) == 64


async def test_a_sale_names_its_fee(psp: PaymentServiceProvider, bench: Bench) -> None:
    answer = await psp.authorize(order(bench, sale=True))

    assert isinstance(answer, Answer)
    assert (answer.approved, answer.fee) == (True, bench.fee(10_000))


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("decline", ("generic_decline", "soft", True)),
        ("insufficient_funds", ("insufficient_funds", "soft", True)),
        ("lost_card", ("lost_card", "hard", False)),
        ("expired_card", ("expired_card", "data", False)),
        ("processing_error", ("processing_error", "technical", True)),
    ],
)
async def test_a_decline_says_why_and_what_may_follow(
    psp: PaymentServiceProvider, bench: Bench, behaviour: str, told: tuple[str, str, bool]
) -> None:
    answer = await psp.authorize(order(bench, behaviour))

    assert isinstance(answer, Answer)
    assert not answer.approved
    assert answer.decline is not None
    assert (answer.decline.code, answer.decline.category, answer.decline.retryable) == told


async def test_captures_refunds_and_voids(psp: PaymentServiceProvider, bench: Bench) -> None:
    payment = await held(psp, bench)
    capture = CaptureOrder(
        reference=f"{payment}-c",
        idempotency_key=f"{payment}-c",
        payment=payment,
        amount=6_000,
        currency="EUR",
        final=False,
    )
    refund = RefundOrder(
        reference=f"{payment}-r", idempotency_key=f"{payment}-r", payment=payment, amount=5_000, currency="EUR"
    )
    void = VoidOrder(
        reference=f"{payment}-v", idempotency_key=f"{payment}-v", payment=payment, amount=4_000, currency="EUR"
    )

    answers = [await psp.capture(capture), await psp.refund(refund), await psp.void(void)]
    found = [
        await psp.inquire(inquiry(capture, "capture")),
        await psp.inquire(inquiry(refund, "refund")),
        await psp.inquire(inquiry(void, "void")),
    ]

    for told, asked in zip(answers, found, strict=True):
        assert isinstance(told, Answer)
        assert isinstance(asked, Answer)
        assert told.approved
        assert asked.approved
        assert told.psp_reference == asked.psp_reference == payment
        assert told.psp_operation_reference == asked.psp_operation_reference
    assert isinstance(answers[0], Answer)
    assert answers[0].fee == bench.fee(6_000)


async def test_too_much_is_a_definitive_no(psp: PaymentServiceProvider, bench: Bench) -> None:
    payment = await held(psp, bench)
    capture = CaptureOrder(
        reference=f"{payment}-c",
        idempotency_key=f"{payment}-c",
        payment=payment,
        amount=10_001,
        currency="EUR",
        final=True,
    )

    answer = await psp.capture(capture)

    assert isinstance(answer, Answer)
    assert not answer.approved


async def test_the_same_key_answers_the_same_and_does_nothing_twice(psp: PaymentServiceProvider, bench: Bench) -> None:
    asked = order(bench)

    assert await psp.authorize(asked) == await psp.authorize(asked)


async def test_a_known_reference_under_another_key_tells_what_stands_under_it(
    psp: PaymentServiceProvider, bench: Bench
) -> None:
    asked = order(bench)
    first = await psp.authorize(asked)

    second = await psp.authorize(msgspec.structs.replace(asked, idempotency_key="another"))

    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert second.psp_operation_reference == first.psp_operation_reference


async def test_no_connection_is_provably_not_processed(bench: Bench) -> None:
    psp = bench.adapter(reachable=False)

    reply = await psp.authorize(order(bench))
    await psp.close()

    assert reply == NotProcessed(psp_code="unreachable", http_status=None, retryable=True)


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        ("timeout_after", "timeout"),
        ("timeout_before", "timeout"),
        ("reset_after", "reset"),
        ("http500_after", "5xx"),
        ("http500_before", "5xx"),
        ("malformed", "malformed"),
        ("wrong_amount", "mismatch"),
    ],
)
async def test_what_is_not_a_whole_and_right_answer_is_unknown(bench: Bench, behaviour: str, cause: str) -> None:
    psp = bench.adapter(deadline_s=0.3) if cause == "timeout" else bench.adapter()

    reply = await psp.authorize(order(bench, behaviour))
    await psp.close()

    assert isinstance(reply, Unknown)
    assert reply.cause == cause


@pytest.mark.parametrize(("behaviour", "status"), [("unavailable", 503), ("rate_limited", 429)])
async def test_a_listed_status_is_not_processed_and_says_when_to_come_back(
    psp: PaymentServiceProvider, bench: Bench, behaviour: str, status: int
) -> None:
    reply = await psp.authorize(order(bench, behaviour))

    assert isinstance(reply, NotProcessed)
    assert (reply.http_status, reply.retryable, reply.retry_after_ms) == (status, True, 1_000)


async def test_pending_is_told_by_inquiry(psp: PaymentServiceProvider, bench: Bench) -> None:
    asked = order(bench, "pending_ok")

    assert await psp.authorize(asked) == Pending()
    assert await psp.inquire(inquiry(asked, "authorize")) == Pending()
    await bench.settle()
    answer = await psp.inquire(inquiry(asked, "authorize"))

    assert isinstance(answer, Answer)
    assert answer.approved


async def test_an_unknown_reference_is_not_found(psp: PaymentServiceProvider, bench: Bench) -> None:
    assert await psp.inquire(inquiry(order(bench), "authorize")) == NotFound()


async def test_an_answer_about_something_else_is_not_believed(psp: PaymentServiceProvider, bench: Bench) -> None:
    asked = order(bench)
    await psp.authorize(asked)
    right = inquiry(asked, "authorize")

    wrong = [
        msgspec.structs.replace(right, amount=9_999),
        msgspec.structs.replace(right, currency="USD"),
        msgspec.structs.replace(right, operation="capture"),
        msgspec.structs.replace(right, sale=True),
    ]

    assert isinstance(await psp.inquire(right), Answer)
    for question in wrong:
        reply = await psp.inquire(question)
        assert isinstance(reply, Unknown)
        assert reply.cause == "mismatch"


async def test_a_reversal_undoes_and_bars_the_way(psp: PaymentServiceProvider, bench: Bench) -> None:
    done, never = order(bench), order(bench)
    await psp.authorize(done)

    for asked in (done, never):
        undone = await psp.reverse(ReversalOrder(reference=asked.reference, idempotency_key=f"{asked.reference}-undo"))
        assert isinstance(undone, Undone)
    late = await psp.authorize(never)
    found = await psp.inquire(inquiry(done, "authorize"))

    for answer in (late, found):
        assert isinstance(answer, Answer)
        assert not answer.approved


async def test_a_payment_method_without_its_token_is_never_sent(psp: PaymentServiceProvider, bench: Bench) -> None:
    tokenless = msgspec.structs.replace(bench.method("ok"), token_ref=None)

    reply = await psp.authorize(msgspec.structs.replace(order(bench), payment_method=tokenless))

    assert isinstance(reply, NotProcessed)
    assert not reply.retryable
