"""From where a copy goes on, for each way in which checkpoint and partition may disagree."""

import pytest

from processors.relay.checkpoints import Acknowledged
from processors.relay.topic_tail import Found, PartitionEnds, acknowledged, continuation
from tests.processors.log_writer import make_record


def at(position: int, offset: int, *, salt: int = 0) -> Acknowledged:
    return Acknowledged(position=position, offset=offset, event_id=make_record(0, position, salt=salt).event_id)


@pytest.mark.parametrize(
    ("checkpoint", "ends", "after", "found"),
    [
        pytest.param(None, PartitionEnds(next_offset=0, tail=None, at_checkpoint=None), 0, Found.INTACT, id="new"),
        pytest.param(
            at(5, 4), PartitionEnds(next_offset=5, tail=at(5, 4), at_checkpoint=at(5, 4)), 5, Found.INTACT, id="in step"
        ),
        pytest.param(
            at(5, 4), PartitionEnds(next_offset=9, tail=at(9, 8), at_checkpoint=at(5, 4)), 9, Found.INTACT, id="behind"
        ),
        pytest.param(
            at(9, 8),
            PartitionEnds(next_offset=12, tail=at(6, 11), at_checkpoint=at(9, 8)),
            9,
            Found.INTACT,
            id="an old run lies at the end",
        ),
        pytest.param(
            at(9, 8),
            PartitionEnds(next_offset=6, tail=at(6, 5), at_checkpoint=None),
            6,
            Found.KAFKA_LOST_DATA,
            id="Kafka lost its end",
        ),
        pytest.param(
            at(9, 8),
            PartitionEnds(next_offset=0, tail=None, at_checkpoint=None),
            0,
            Found.KAFKA_LOST_DATA,
            id="Kafka lost everything",
        ),
        pytest.param(
            at(9, 8),
            PartitionEnds(next_offset=12, tail=at(12, 11), at_checkpoint=at(9, 8, salt=1)),
            12,
            Found.KAFKA_LOST_DATA,
            id="another record at the checkpoint",
        ),
        pytest.param(
            at(9, 8),
            PartitionEnds(next_offset=4, tail=at(12, 3), at_checkpoint=None),
            0,
            Found.HAS_A_GAP,
            id="written on as if nothing was lost",
        ),
    ],
)
def test_the_copy_goes_on_where_no_gap_can_arise(
    checkpoint: Acknowledged | None, ends: PartitionEnds, after: int, found: Found
) -> None:
    place = continuation(checkpoint, ends)
    assert (place.after, place.next_offset, place.found) == (after, ends.next_offset, found)
    assert place.last in {None, checkpoint, ends.tail}


def test_a_message_that_no_relay_wrote_is_nobody_s_record() -> None:
    assert acknowledged(3, [("position", b"many")]) is None
    assert acknowledged(3, []) is None
