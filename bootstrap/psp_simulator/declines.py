"""The negatives a card network or a bank can answer with.

Network codes follow ISO 8583 field 39; advice codes follow Mastercard's merchant advice codes (01 new account
information, 02 try again later, 03 do not try again, 24 retry after one hour).
"""

from typing import Literal

import msgspec

Category = Literal["hard", "soft", "data", "technical"]


class Decline(msgspec.Struct, frozen=True):
    """Why the PSP refused: hard and data never succeed unchanged, soft and technical may later."""

    code: str
    network_code: str
    category: Category
    advice_code: str | None


DECLINES: dict[str, Decline] = {
    decline.code: decline
    for decline in (
        Decline("generic_decline", "05", "soft", "02"),
        Decline("do_not_honor", "05", "soft", "02"),
        Decline("insufficient_funds", "51", "soft", "02"),
        Decline("limit_exceeded", "61", "soft", "02"),
        Decline("lost_card", "41", "hard", "03"),
        Decline("stolen_card", "43", "hard", "03"),
        Decline("suspected_fraud", "59", "hard", "03"),
        Decline("not_permitted", "57", "hard", "03"),
        Decline("expired_card", "54", "data", "01"),
        Decline("incorrect_cvc", "N7", "data", "01"),
        Decline("invalid_account", "14", "data", "01"),
        Decline("invalid_vpa", "ZH", "data", "01"),
        Decline("payer_rejected", "ZA", "soft", None),
        Decline("collect_expired", "U69", "soft", None),
        Decline("payer_bank_unavailable", "91", "technical", "24"),
        Decline("processing_error", "96", "technical", "24"),
    )
}
