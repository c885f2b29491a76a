"""How a request names the payer's means, and what of it the log may keep."""

from typing import Annotated, Literal, assert_never

import msgspec

from schemas.errors import PaymentMethodNotSupported
from schemas.events.payment_intent import PaymentMethod, PaymentMethodType

_Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$", max_length=40)]
_Token = Annotated[
    str,
    msgspec.Meta(
        # No PSP's token has an @; what has one is somebody's address, and the log keeps tokens.
        pattern=r"^[\x21-\x3f\x41-\x7e]+$",
        max_length=255,
        description="The PSP's token for what is to be charged; never a card number or an address.",
        examples=["tok_ok"],
    ),
]


class _Method(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class CardPayment(_Method, frozen=True, tag="card"):
    """A card, as the token that a PSP made of it."""

    token: _Token


class WalletPayment(_Method, frozen=True, tag="wallet"):
    """A wallet, such as `apple_pay`, and its token."""

    provider: _Word
    token: _Token


class NetbankingPayment(_Method, frozen=True, tag="netbanking"):
    """The payer's bank, by its code."""

    bank_code: _Word


class UpiPayment(_Method, frozen=True, tag="upi"):
    """UPI: its address of the payer is personal data, which this version cannot keep, so it is refused for now."""

    payer_vpa: Annotated[str, msgspec.Meta(max_length=320)] | None = None
    flow: Literal["collect", "intent"] | None = None


PaymentMethodBody = CardPayment | WalletPayment | NetbankingPayment | UpiPayment


def payment_method_of(body: PaymentMethodBody) -> PaymentMethod:
    """What the log keeps of `body`: the network, provider or bank as `brand`, and the PSP's token.

    Raises:
        PaymentMethodNotSupported: UPI, which needs the payer's address, and personal data does not enter the log.
    """
    match body:
        case CardPayment(token=token):
            return _method("card", token, None)
        case WalletPayment(provider=provider, token=token):
            return _method("wallet", token, provider)
        case NetbankingPayment(bank_code=bank_code):
            return _method("netbanking", None, bank_code)
        case UpiPayment():
            raise PaymentMethodNotSupported("UPI payments cannot be taken yet: a payer's address is not kept.")
        case _:
            assert_never(body)


def _method(kind: PaymentMethodType, token: str | None, brand: str | None) -> PaymentMethod:
    return PaymentMethod(type=kind, token_ref=token, brand=brand, last4=None, payer_ref=None, mask=None)
