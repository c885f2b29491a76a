"""Opaque cursors: where in the log a page ended, good for the list and the filters that issued it."""

import base64
import binascii
import struct
from typing import Final

from projections.query_api.parameters import QueryParameters
from schemas.errors import CursorInvalid
from schemas.framing import digest
from schemas.identifiers import MAX_SHARDS
from schemas.routes import Call, Principal

_FORMAT: Final = struct.Struct(">8sIqH")
_MAX_LINE: Final = (1 << 15) - 1

Place = tuple[int, int, int]  # shard, position, line


class Cursors:
    """The cursors of one list as one caller filters it."""

    def __init__(self, call: Call, parameters: QueryParameters) -> None:
        self._list = _name(call.path, call.principal, parameters.filters())
        self._given = parameters.given("cursor")

    def after(self) -> Place | None:
        """Where the page before ended, or null at the start of the list.

        Raises:
            CursorInvalid: no cursor, or that of another list, another caller or other filters.
        """
        if self._given is None:
            return None
        try:
            raw = base64.b64decode(self._given + "=" * (-len(self._given) % 4), altchars=b"-_", validate=True)
            name, shard, position, line = _FORMAT.unpack(raw)
        except (binascii.Error, struct.error, ValueError):
            raise CursorInvalid from None
        # Whoever alters a cursor may name a place that no log has, and that PostgreSQL's numbers cannot.
        if name != self._list or shard >= MAX_SHARDS or position < 0 or line > _MAX_LINE:
            raise CursorInvalid
        return shard, position, line

    def at(self, place: Place) -> str:
        """The cursor of a page that ends at `place`."""
        return base64.urlsafe_b64encode(_FORMAT.pack(self._list, *place)).rstrip(b"=").decode()


def _name(path: str, principal: Principal, filters: tuple[tuple[str, str], ...]) -> bytes:
    mode = None if principal.livemode is None else int(principal.livemode)
    flat = [text for pair in filters for text in pair]
    return digest("guilder/cursor/v1", path, principal.merchant_id, mode, *flat)[:8]
