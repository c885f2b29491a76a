"""The ladder, rung by rung: what follows which reply."""

from uuid import UUID

import pytest

from processors.psp.declines import decline
from processors.psp.provider import (
    Answer,
    InquiryReply,
    NotFound,
    NotProcessed,
    OrderReply,
    Pending,
    ReversalReply,
    Undone,
    Unknown,
)
from processors.saga.ladder import (
    DELAYS_MS,
    Again,
    Approved,
    GiveUp,
    Negative,
    Progress,
    Stage,
    after_call,
    after_inquiry,
    after_reversal,
    after_undoing,
    jittered,
)

ATTEMPT = UUID("0192f0c8-0000-8001-8000-000000000001")
YES = Answer(approved=True, amount=1, currency="EUR", psp_reference="p", psp_operation_reference="o")
NO = Answer(
    approved=False,
    amount=1,
    currency="EUR",
    psp_reference="p",
    psp_operation_reference="o",
    decline=decline("lost_card"),
)
UNDONE = Undone(how="voided", psp_operation_reference="rev_1", processed_at=1, raw_sha256="aa")
SILENCE = Unknown(cause="timeout")
BUSY = NotProcessed(psp_code="unavailable", http_status=503, retryable=True, retry_after_ms=1_000)
REFUSED = NotProcessed(psp_code="validation_failed", http_status=400, retryable=False)


def at(stage: Stage, round_no: int, *, in_doubt: bool = False) -> Progress:
    return Progress(attempt_id=ATTEMPT, stage=stage, try_no=round_no, round_no=round_no, in_doubt=in_doubt)


def call(reply: OrderReply, round_no: int = 1, *, in_doubt: bool = False) -> object:
    return after_call(at("call", round_no, in_doubt=in_doubt), reply)


def inquiry(reply: InquiryReply, round_no: int = 1) -> object:
    return after_inquiry(at("inquiry", round_no, in_doubt=True), reply)


def reversal(reply: ReversalReply, round_no: int = 1) -> object:
    return after_reversal(at("reversal", round_no, in_doubt=True), reply)


def undoing(reply: ReversalReply, round_no: int = 1) -> object:
    return after_undoing(at("call", round_no), reply)


def again(verdict: object) -> Again:
    assert isinstance(verdict, Again)
    return verdict


def test_an_answer_settles_at_every_rung() -> None:
    assert call(YES) == Approved(answer=YES, resolved_by="http")
    assert call(YES, 2) == Approved(answer=YES, resolved_by="retry")
    assert call(YES, in_doubt=True) == Approved(answer=YES, resolved_by="retry")
    assert inquiry(YES) == Approved(answer=YES, resolved_by="inquiry")
    for verdict in (call(NO), inquiry(NO)):
        assert isinstance(verdict, Negative)
        assert verdict.decline.code == "lost_card"


def test_silence_is_retried_five_times_with_growing_delays_then_asked_about() -> None:
    verdicts = [again(call(SILENCE, round_no)) for round_no in range(1, 7)]

    assert [verdict.stage for verdict in verdicts] == ["call"] * 5 + ["inquiry"]
    assert [verdict.round_no for verdict in verdicts] == [2, 3, 4, 5, 6, 1]
    for verdict, delay_ms in zip(verdicts, (2_000, 4_000, 8_000, 16_000, 32_000), strict=False):
        assert 0.8 * delay_ms <= verdict.delay_ms <= 1.2 * delay_ms
    for verdict in verdicts:
        assert verdict.in_doubt
        assert verdict.unsure is not None
        assert verdict.unsure.cause == "timeout"
    assert verdicts[-1].unsure is not None
    assert verdicts[-1].unsure.next_step == "inquiry"


def test_not_processed_is_tried_again_and_is_a_no_in_the_end() -> None:
    for round_no in range(1, 6):
        retry = again(call(BUSY, round_no))
        assert (retry.stage, retry.unsure, retry.in_doubt) == ("call", None, False)

    verdict = call(BUSY, 6)

    assert isinstance(verdict, Negative)
    assert (verdict.decline.code, verdict.decline.category) == ("psp_unavailable", "technical")
    refused = call(REFUSED)
    assert isinstance(refused, Negative)
    assert refused.decline.psp_code == "validation_failed"


def test_not_processed_settles_nothing_while_an_earlier_call_is_in_doubt() -> None:
    assert again(call(BUSY, 6, in_doubt=True)).stage == "inquiry"
    assert again(call(REFUSED, in_doubt=True)).stage == "inquiry"


def test_a_psp_that_says_when_to_come_back_is_obeyed() -> None:
    patient = NotProcessed(psp_code="rate_limited", http_status=429, retryable=True, retry_after_ms=60_000)

    assert again(call(patient)).delay_ms == 60_000


def test_pending_is_asked_about_and_never_called_again() -> None:
    first = again(call(Pending()))
    assert (first.stage, first.unsure, first.in_doubt) == ("inquiry", None, True)
    for round_no in range(1, 6):
        assert again(inquiry(Pending(), round_no)).stage == "inquiry"
    assert again(inquiry(Pending(), 6)).stage == "reversal"


def test_not_found_alone_is_no_negative() -> None:
    assert [again(inquiry(NotFound(), round_no)).stage for round_no in (1, 2, 3)] == ["inquiry", "inquiry", "reversal"]
    last = again(inquiry(NotFound(), 3)).unsure
    assert last is not None
    assert last.next_step == "reversal"


@pytest.mark.parametrize("reply", [SILENCE, BUSY, REFUSED])
def test_an_inquiry_that_tells_nothing_leads_to_a_reversal(reply: InquiryReply) -> None:
    assert [again(inquiry(reply, round_no)).stage for round_no in (1, 2, 3)] == ["inquiry", "inquiry", "reversal"]


def test_a_confirmed_reversal_is_a_definitive_no() -> None:
    verdict = reversal(UNDONE)

    assert isinstance(verdict, Negative)
    assert (verdict.decline.category, verdict.decline.psp_code) == ("technical", "reversal_voided")


@pytest.mark.parametrize("reply", [SILENCE, BUSY])
def test_a_reversal_that_tells_nothing_ends_with_a_person(reply: ReversalReply) -> None:
    assert [again(reversal(reply, round_no)).stage for round_no in range(1, 6)] == ["reversal"] * 5
    verdict = reversal(reply, 6)
    assert isinstance(verdict, GiveUp)
    assert verdict.unsure.next_step == "manual_case"


def test_giving_up_says_whether_a_reversal_may_still_arrive() -> None:
    first = again(inquiry(NotFound(), 3))
    assert (first.stage, first.in_doubt) == ("reversal", False)

    def gives_up(reply: ReversalReply, *, in_doubt: bool) -> bool:
        verdict = after_reversal(at("reversal", 6, in_doubt=in_doubt), reply)
        assert isinstance(verdict, GiveUp)
        return verdict.under_way

    assert not gives_up(BUSY, in_doubt=False)
    assert gives_up(BUSY, in_doubt=True)
    assert gives_up(SILENCE, in_doubt=False)
    # A definitive reply speaks for all that was sent under its key.
    assert not gives_up(NO, in_doubt=True)


@pytest.mark.parametrize("reply", [NO, REFUSED])
def test_a_refused_reversal_ends_with_a_person_at_once(reply: ReversalReply) -> None:
    for verdict in (reversal(reply), undoing(reply)):
        assert isinstance(verdict, GiveUp)
        assert "refused" in verdict.reason


def test_undoing_a_late_success_is_tried_until_a_person_has_to() -> None:
    done = undoing(UNDONE)
    assert isinstance(done, Approved)
    assert done.answer.psp_operation_reference == "rev_1"
    assert [again(undoing(SILENCE, round_no)).stage for round_no in range(1, 6)] == ["call"] * 5
    assert isinstance(undoing(SILENCE, 6), GiveUp)
    assert isinstance(undoing(BUSY, 6), GiveUp)


def test_jitter_is_a_fifth_at_most_differs_between_tries_and_never_changes() -> None:
    values = [jittered(1_000, ATTEMPT, try_no) for try_no in range(1, 50)]

    assert values == [jittered(1_000, ATTEMPT, try_no) for try_no in range(1, 50)]
    assert len(set(values)) > 25
    assert 800 <= min(values) < 900
    assert 1_100 < max(values) <= 1_200
    assert len(DELAYS_MS) == 5
