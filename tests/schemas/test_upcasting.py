"""An event that was stored in version 1 of its schema means in version 2 what it meant then."""

from io import BytesIO
from uuid import UUID

import pytest
from fastavro import schemaless_writer

from schemas.codec import decode, encode, schema_of
from schemas.events import PspOutcomeUnknown
from schemas.registry import schemas_by_id
from schemas.upcasting import upcast

OPERATION = UUID("019aadc1-e2d0-7003-8123-456789abcdef")
ATTEMPT = UUID("6dd2c0a9-f6f6-8003-a1fa-37ba5bd5d5ec")

# As version 1 stored it: `tries` 3, HTTP 504, an exposure of 10000, the next step at 1790000000000. Never regenerated.
STORED_V1 = bytes.fromhex(
    "000000001a"
    "4830313961616463312d653264302d373030332d383132332d343536373839616263646566"
    "4836646432633061392d663666362d383030332d613166612d333762613562643564356563"
    "0e74696d656f7574"
    "02f007"
    "06"
    "a09c01"
    "0280b083c59868"
)


def stored_in_version_1(tries: int) -> bytes:
    buffer = BytesIO()
    fields = {
        "operation_id": OPERATION,
        "attempt_id": ATTEMPT,
        "cause": "timeout",
        "http_status": 504,
        "tries": tries,
        "exposure": 10_000,
        "next_at": 1_790_000_000_000,
    }
    schemaless_writer(buffer, schemas_by_id()[26].parsed, fields)
    return b"\x00\x00\x00\x00\x1a" + buffer.getvalue()


def test_a_stored_frame_of_version_1_is_read_in_version_2() -> None:
    assert stored_in_version_1(3) == STORED_V1
    assert schema_of(STORED_V1).version == 1
    assert decode(STORED_V1) == PspOutcomeUnknown(
        operation_id=OPERATION,
        attempt_id=ATTEMPT,
        cause="timeout",
        http_status=504,
        tries=3,
        exposure=10_000,
        next_step="retry",
        next_at=1_790_000_000_000,
    )


@pytest.mark.parametrize(("tries", "next_step"), [(1, "retry"), (4, "retry"), (5, "inquiry"), (9, "inquiry")])
def test_the_step_that_version_1_did_not_write_down_follows_from_its_tries(tries: int, next_step: str) -> None:
    event = decode(stored_in_version_1(tries))
    assert isinstance(event, PspOutcomeUnknown)
    assert event.next_step == next_step


def test_written_again_it_is_of_version_2() -> None:
    assert schema_of(encode(decode(STORED_V1))).version == 2
    assert decode(encode(decode(STORED_V1))) == decode(STORED_V1)


def test_what_is_of_the_newest_version_is_left_alone() -> None:
    fields = {"tries": 1, "next_step": "manual_case"}
    assert upcast("PspOutcomeUnknown", 2, fields) == fields
    assert upcast("PaymentCanceled", 1, fields) == fields
