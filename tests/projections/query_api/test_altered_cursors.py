"""A cursor that somebody altered is refused, or names another place of the same list; nothing breaks by it."""

import base64
import struct
from typing import Final

import pytest

from schemas.errors import CursorInvalid
from tests.projections.history import History
from tests.projections.query_api.conftest import OPERATOR, Api, merchant, public

PLACES: Final = struct.Struct(">8sIqH")
INTENTS: Final = "/v1/payment_intents"
EVENTS: Final = "/v1/payment_intents/{id}/events"
ACCOUNTS: Final = "/v1/ledger/accounts"
ENTRIES: Final = "/v1/ledger/accounts/{id}/entries"
ALTERED: Final = {
    "no shard there is": (1 << 32) - 1,
    "a position below zero": -1,
    "a position past every log": (1 << 63) - 1,
    "a line past every event": (1 << 16) - 1,
}


@pytest.mark.parametrize("path", [INTENTS, EVENTS, ACCOUNTS, ENTRIES])
@pytest.mark.parametrize("altered", ALTERED)
async def test_an_altered_cursor_breaks_nothing(api: Api, history: History, path: str, altered: str) -> None:
    mine = merchant(history.merchant_id)
    account = (await api.get(mine, ACCOUNTS))["data"][0]["id"]
    named = {EVENTS: public("paid"), ENTRIES: account}.get(path)
    caller = OPERATOR if path == ACCOUNTS else mine
    cursor = (await api.get(caller, path, {"limit": "1"}, named=named))["next_cursor"]
    of_list, *place = PLACES.unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    which = 0 if "shard" in altered else 2 if "line" in altered else 1
    place[which] = ALTERED[altered]
    forged = base64.urlsafe_b64encode(PLACES.pack(of_list, *place)).rstrip(b"=").decode()
    query = {"limit": "1", "cursor": forged}
    if "past every log" in altered:
        assert len((await api.get(caller, path, query, named=named))["data"]) <= 1
    else:
        with pytest.raises(CursorInvalid):
            await api.get(caller, path, query, named=named)
