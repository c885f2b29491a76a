"""Positions as the API spells them: `3:1042` for one shard, `0:17,3:1042` for a vector over several."""

from collections.abc import Mapping
from typing import Final

from schemas.identifiers import MAX_SHARDS

_MAX_POSITION: Final = (1 << 63) - 1


class MalformedPosition(ValueError):
    """A text that is no position vector."""


def position_text(positions: Mapping[int, int]) -> str:
    """`{3: 1042, 0: 17}` as `0:17,3:1042`."""
    return ",".join(f"{shard}:{positions[shard]}" for shard in sorted(positions))


def parse_positions(text: str) -> dict[int, int]:
    """The position of each shard that `text` names.

    Raises:
        MalformedPosition: not `shard:position` with commas between, a shard twice, or a number out of range.
    """
    positions: dict[int, int] = {}
    for part in text.split(","):
        shard_text, colon, position = part.strip().partition(":")
        if not colon or not _is_number(shard_text) or not _is_number(position):
            raise MalformedPosition("a position is shard:position, as in 3:1042, with commas between several")
        shard = int(shard_text)
        if shard in positions or shard >= MAX_SHARDS or int(position) > _MAX_POSITION:
            raise MalformedPosition("each shard stands once, with a position it can have")
        positions[shard] = int(position)
    return positions


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_POSITION))
