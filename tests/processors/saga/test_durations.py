"""How long merchants wait, by the log's own times."""

from prometheus_client import Histogram

from processors.saga.durations import AUTHORIZE_SECONDS, CAPTURE_SECONDS, observe
from tests.projections.history import History, Payment


def told(histogram: Histogram) -> tuple[float, float]:
    """How many durations, and their sum in seconds."""
    values = {
        sample.name.rsplit("_", 1)[1]: sample.value for family in histogram.collect() for sample in family.samples
    }
    return values["count"], values["sum"]


def test_an_outcome_ends_the_wait_that_its_own_request_began() -> None:
    recorded = History().add(*Payment("payment").paid()).recorded
    names = [type(each.event).__name__ for each in recorded]
    before = told(AUTHORIZE_SECONDS), told(CAPTURE_SECONDS)
    for index, each in enumerate(recorded):
        observe([each], recorded[: index + 1])
    (authorizations, authorize_s), (captures, capture_s) = told(AUTHORIZE_SECONDS), told(CAPTURE_SECONDS)

    # The history's clock moves on by a second with each event.
    assert authorizations - before[0][0] == 1
    assert authorize_s - before[0][1] == names.index("PaymentAuthorized") - names.index("AuthorizationRequested")
    assert captures - before[1][0] == 1
    assert capture_s - before[1][1] == names.index("PaymentCaptured") - names.index("CaptureRequested")
