"""What a request asks for, read strictly: unknown fields, wrong types and figures out of range are named, all at once."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from bootstrap.psp_simulator.problems import FieldError, ProblemError
from bootstrap.psp_simulator.scenarios import Kind, Script, UnknownScenarioError, script_of_token, script_of_vpa

MAX_AMOUNT = 999_999_999_999
_CURRENCY = re.compile(r"[A-Z]{3}")
_REFERENCE = re.compile(r"[\x21-\x7e]{1,80}")
_VPA = re.compile(r"[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, capture, refund or void that a client asks for. Amounts are integer minor units.

    A void has no amount of its own (0); `payment_id` is None for a payment, `currency` and `script` are set for it alone.
    """

    kind: Kind
    reference: str
    amount: int = 0
    payment_id: str | None = None
    currency: str | None = None
    sale: bool = False
    final: bool = False
    script: Script = Script()


class Fields:
    """Takes fields out of a JSON object one by one and gathers what is wrong with them."""

    def __init__(self, body: dict[str, Any], pointer: str = "", errors: list[FieldError] | None = None) -> None:
        self.errors: list[FieldError] = [] if errors is None else errors
        self._pointer = pointer
        self._rest = dict(body)

    def wrong(self, name: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(f"{self._pointer}/{name}", code, detail))

    def take(self, name: str) -> object:
        """The field's value; a missing or null one is an error."""
        value = self._rest.pop(name, None)
        if value is None:
            self.wrong(name, "missing", "this field is required")
        return value

    def optional(self, name: str) -> object:
        return self._rest.pop(name, None)

    def text(self, name: str, pattern: re.Pattern[str] | None = None, *, wanted: bool = True) -> str:
        value = self.take(name) if wanted else self.optional(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.wrong(name, "wrong_type", "a string is wanted")
            return ""
        if pattern is not None and not pattern.fullmatch(value):
            self.wrong(name, "bad_format", f"must match {pattern.pattern}")
        elif not 1 <= len(value) <= 2048:  # noqa: PLR2004 - said in the message
            self.wrong(name, "too_long" if value else "bad_format", "1 to 2048 characters")
        return value

    def amount(self, name: str = "amount") -> int:
        value = self.take(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(name, "wrong_type", "an integer of minor units is wanted")
        elif isinstance(value, float):
            self.wrong(name, "not_integer", "an integer of minor units is wanted")
        elif not 1 <= value <= MAX_AMOUNT:
            self.wrong(name, "out_of_range", f"1 to {MAX_AMOUNT}")
        else:
            return value
        return 0

    def flag(self, name: str) -> bool:
        value = self.optional(name)
        if value is not None and not isinstance(value, bool):
            self.wrong(name, "wrong_type", "true or false is wanted")
        return value is True

    def scenario(self, name: str, read: Callable[[str], Script], pattern: re.Pattern[str] | None = None) -> Script:
        seen = len(self.errors)
        text = self.text(name, pattern)
        if len(self.errors) > seen:
            return Script()
        try:
            return read(text)
        except UnknownScenarioError as error:
            self.wrong(name, "unknown_scenario", str(error))
            return Script()

    def inner(self, name: str) -> "Fields | None":
        """The fields of an object within; None when it is missing or none, which is then the one error."""
        value = self.take(name)
        if isinstance(value, dict):
            return Fields(value, f"{self._pointer}/{name}", self.errors)
        if value is not None:
            self.wrong(name, "wrong_type", "an object is wanted")
        return None

    def nothing_else(self) -> None:
        for name in self._rest:
            self.wrong(name, "unknown_field", "there is no such field")

    def end(self) -> None:
        """Raises ProblemError 400 `validation_failed` when anything was wrong."""
        self.nothing_else()
        if self.errors:
            first = self.errors[0]
            raise ProblemError(400, "validation_failed", f"{first.pointer}: {first.detail}", errors=self.errors)


def _fields(body: object) -> Fields:
    if not isinstance(body, dict):
        error = FieldError("", "wrong_type", "an object is wanted")
        raise ProblemError(400, "validation_failed", error.detail, errors=[error])
    return Fields(body)


def payment_order(body: object) -> Order:
    """Read the body of `POST /v1/payments`."""
    fields = _fields(body)
    reference = fields.text("reference", _REFERENCE)
    amount = fields.amount()
    currency = fields.take("currency")
    if currency is not None and not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        fields.wrong("currency", "bad_currency", "an ISO 4217 code in capitals is wanted")
    sale = fields.flag("capture")
    fields.text("return_url", wanted=False)
    method = fields.inner("payment_method")
    script = Script() if method is None else _payment_method(method)
    fields.end()
    return Order(
        kind="payment",
        reference=reference,
        amount=amount,
        currency=str(currency),
        sale=sale,
        script=script.with_amount(amount),
    )


def _payment_method(method: Fields) -> Script:
    script = Script()
    kind = method.text("type")
    if kind == "card":
        script = method.scenario("token", script_of_token)
    elif kind == "wallet":
        method.text("provider")
        script = method.scenario("token", script_of_token)
    elif kind == "upi":
        script = method.scenario("payer_vpa", script_of_vpa, _VPA)
        method.text("flow", re.compile("collect|intent"), wanted=False)
    elif kind == "netbanking":
        method.text("bank_code")
    elif kind:
        method.wrong("type", "bad_format", "card, wallet, upi or netbanking")
        return script
    method.nothing_else()
    return script


def capture_order(payment_id: str, body: object) -> Order:
    """Read the body of `POST /v1/payments/{id}/captures`."""
    fields = _fields(body)
    reference = fields.text("reference", _REFERENCE)
    amount = fields.amount()
    final = fields.flag("final")
    fields.end()
    return Order(kind="capture", payment_id=payment_id, reference=reference, amount=amount, final=final)


def refund_order(payment_id: str, body: object) -> Order:
    """Read the body of `POST /v1/payments/{id}/refunds`."""
    fields = _fields(body)
    reference = fields.text("reference", _REFERENCE)
    amount = fields.amount()
    fields.end()
    return Order(kind="refund", payment_id=payment_id, reference=reference, amount=amount)


def void_order(payment_id: str, body: object) -> Order:
    """Read the body of `POST /v1/payments/{id}/voids`."""
    return Order(kind="void", payment_id=payment_id, reference=reference_alone(body))


def reference_alone(body: object) -> str:
    """Read a body that holds nothing but `reference`, as reversals, voids and actions do."""
    fields = _fields(body)
    reference = fields.text("reference", _REFERENCE)
    fields.end()
    return reference


def checked_reference(text: str | None) -> str:
    """The query parameter `reference` of the inquiry.

    Raises:
        ProblemError: 400 `validation_failed` when it is missing or malformed.
    """
    return reference_alone({"reference": text})
