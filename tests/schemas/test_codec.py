"""Frames: every event comes back as it went in, and nothing that is no frame is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.codec import MAX_FRAME_BYTES, FrameMalformed, FrameTooLarge, decode, encode, schema_of
from schemas.events import EVENT_TYPES, Event, PaymentCanceled, PaymentIntentCreated
from schemas.events.fees import IntentFeePlan
from schemas.registry import newest_schemas
from tests.schemas.events import any_event, events


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_comes_back_as_it_went_in(name: str) -> None:
    @given(events(EVENT_TYPES[name]))
    def round_trip(event: Event) -> None:
        frame = encode(event)
        assert decode(frame) == event
        assert type(decode(frame)) is type(event)
        assert encode(decode(frame)) == frame

    round_trip()


@given(any_event)
def test_a_frame_names_the_newest_schema_of_its_type(event: Event) -> None:
    frame = encode(event)
    schema = newest_schemas()[type(event).__name__]
    assert frame[:5] == b"\x00" + schema.id.to_bytes(4, "big")
    assert schema_of(frame) is schema


def test_the_bytes_of_a_frame_are_those_of_the_confluent_format() -> None:
    # Magic byte, schema id 25, then one Avro string: a zigzag length of 3 and its UTF-8.
    assert encode(PaymentCanceled(reason="why")) == b"\x00\x00\x00\x00\x19\x06why"


@pytest.mark.parametrize(
    "frame", [b"", b"\x00", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x19\x06why", b"\x00\x7f\xff\xff\xff\x06why"]
)
def test_what_is_no_frame_of_ours_is_refused(frame: bytes) -> None:
    with pytest.raises(FrameMalformed):
        decode(frame)


@given(any_event, st.data())
def test_a_frame_that_was_cut_short_is_refused(event: Event, data: st.DataObject) -> None:
    frame = encode(event)
    length = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(FrameMalformed):
        decode(frame[:length])


@given(any_event, st.binary(min_size=1, max_size=8))
def test_a_frame_with_something_behind_it_is_refused(event: Event, tail: bytes) -> None:
    with pytest.raises(FrameMalformed):
        decode(encode(event) + tail)


@given(any_event, st.data())
def test_a_frame_with_other_bytes_is_refused_or_another_event_but_never_a_crash(
    event: Event, data: st.DataObject
) -> None:
    frame = bytearray(encode(event))
    at = data.draw(st.integers(5, len(frame) - 1)) if len(frame) > 5 else 4
    frame[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode(bytes(frame))
    except FrameMalformed:
        return
    assert isinstance(changed, tuple(EVENT_TYPES.values()))


def created(metadata: dict[str, str]) -> PaymentIntentCreated:
    return PaymentIntentCreated(
        amount=1,
        currency="EUR",
        exponent=2,
        capture_method="manual",
        reference=None,
        statement_descriptor=None,
        metadata=metadata,
        return_url=None,
        fee_plan=IntentFeePlan(
            version=0, rate_ppm=0, fixed=0, refund_fee=0, returned_on_refund=False, rounding="half_up"
        ),
        settlement_delay_s=0,
    )


def test_a_frame_takes_64_kib_and_no_byte_more() -> None:
    empty = len(encode(created({"k": ""})))
    # A longer text's length takes two bytes more than an empty one's.
    fits = created({"k": "x" * (MAX_FRAME_BYTES - empty - 2)})
    assert len(encode(fits)) == MAX_FRAME_BYTES
    with pytest.raises(FrameTooLarge):
        encode(created({"k": fits.metadata["k"] + "x"}))


def test_an_event_of_another_shape_than_its_schema_is_refused_on_reading() -> None:
    body = encode(PaymentCanceled(reason="why"))[5:]
    other = newest_schemas()["SettlementDelaySet"].id
    with pytest.raises(FrameMalformed):
        codec.decode(b"\x00" + other.to_bytes(4, "big") + body)
