"""The negatives as the rest of the house knows them: our codes, and what may follow each (payments contract, section 4)."""

from collections.abc import Mapping
from typing import Final

from schemas.events.psp import Decline, DeclineCategory

CATEGORIES: Final[Mapping[str, DeclineCategory]] = {
    "generic_decline": "soft",
    "do_not_honor": "soft",
    "insufficient_funds": "soft",
    "limit_exceeded": "soft",
    "payer_rejected": "soft",
    "collect_expired": "soft",
    "lost_card": "hard",
    "stolen_card": "hard",
    "suspected_fraud": "hard",
    "not_permitted": "hard",
    "expired_card": "data",
    "incorrect_cvc": "data",
    "invalid_account": "data",
    "invalid_vpa": "data",
    "authentication_failed": "soft",
    "authentication_abandoned": "soft",
    "payer_bank_unavailable": "technical",
    "psp_unavailable": "technical",
    "processing_error": "technical",
}


def decline(
    code: str,
    *,
    psp_code: str | None = None,
    network_code: str | None = None,
    advice_code: str | None = None,
) -> Decline:
    """The decline `code`; a word of a PSP that is not ours becomes `generic_decline` and stays as `psp_code`."""
    ours = code if code in CATEGORIES else "generic_decline"
    category = CATEGORIES[ours]
    return Decline(
        code=ours,
        category=category,
        psp_code=psp_code if psp_code is not None else code,
        network_code=network_code,
        advice_code=advice_code,
        retryable=category in {"soft", "technical"},
    )
