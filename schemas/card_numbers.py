"""Card numbers (PANs) do not enter: they are found in whatever a client sends, refused, and never logged.

A text is taken for a card number when it is 13 to 19 ASCII digits, passes the Luhn check (ISO/IEC 7812-1 annex B), and
begins like the numbers of a card network with that network's length.
"""

import re
from collections.abc import Iterable
from typing import Final

_DIGITS: Final = re.compile(r"[0-9]{13,19}")
_IN_JSON: Final = re.compile(rb'"([0-9]{13,19})"')
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

_NETWORKS: Final = (
    # the first digits as a range, and how many digits such numbers have; from the networks' published issuer ranges
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),  # American Express
    (300, 305, (14, 16)),  # Diners Club
    (3095, 3095, (14, 16)),  # Diners Club
    (36, 36, (14, 15, 16, 17, 18, 19)),  # Diners Club
    (38, 39, (14, 15, 16, 17, 18, 19)),  # Diners Club
    (6011, 6011, (16, 17, 18, 19)),  # Discover
    (644, 659, (16, 17, 18, 19)),  # Discover; RuPay within it
    (3528, 3589, (16, 17, 18, 19)),  # JCB
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (81, 81, (16, 17, 18, 19)),  # UnionPay, RuPay
    (60, 60, (16,)),  # RuPay
    (508, 508, (16,)),  # RuPay
    (353, 353, (16,)),  # RuPay with JCB
    (356, 356, (16,)),  # RuPay with JCB
    (2200, 2204, (16, 17, 18, 19)),  # Mir
    (50, 50, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (56, 58, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (639, 639, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (67, 67, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (9792, 9792, (16,)),  # Troy
)


def _passes_luhn(digits: str) -> bool:
    values = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def _of_a_network(digits: str) -> bool:
    length = len(digits)
    return any(
        length in lengths and first <= int(digits[: len(str(first))]) <= last for first, last, lengths in _NETWORKS
    )


def is_card_number(text: str) -> bool:
    """Whether `text` is a card number: nothing but 13 to 19 digits, Luhn, and a network's prefix and length."""
    return _DIGITS.fullmatch(text) is not None and _of_a_network(text) and _passes_luhn(text)


def holds_card_number(raw_json: bytes) -> bool:
    """Whether a string in `raw_json` is a card number; right only where the text has no escapes (no backslash)."""
    return any(is_card_number(match.decode()) for match in _IN_JSON.findall(raw_json))


def any_card_number(texts: Iterable[str]) -> bool:
    """Whether one of `texts` is a card number."""
    return any(map(is_card_number, texts))
