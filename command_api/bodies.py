"""Request bodies: raw bytes become one strict value, or the list of everything that is wrong with them."""

import codecs
import json
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec
import rfc8785
from msgspec import inspect

from command_api.fields import (
    NoNumber,
    Object,
    card_number_pointers,
    field_errors,
    no_number_pointers,
    text_errors,
)
from schemas.canonical import canonical_json
from schemas.card_numbers import holds_card_number
from schemas.errors import BadJson, FieldError, PanNotAllowed, UnsupportedMediaType, ValidationFailed

_DIGITS_THAT_COUNT: Final = 19
_TOO_LARGE: Final = 10**_DIGITS_THAT_COUNT

_decode_json: Final = msgspec.json.Decoder().decode


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request body is: strict, and able to say which of its fields do not go together."""

    def inconsistencies(self) -> list[FieldError]:
        """Fields that are each right but wrong together."""
        return []


BodyType = TypeVar("BodyType", bound=Body)


class DecodedBody(msgspec.Struct, Generic[BodyType], frozen=True):
    """A valid body, and its RFC 8785 bytes for the request's hash."""

    value: BodyType
    canonical: bytes


class BodyDecoder(Generic[BodyType]):
    """Decodes the bodies of one route."""

    def __init__(self, body_type: type[BodyType]) -> None:
        self._type = body_type
        self._kind = inspect.type_info(body_type)

    def decode(self, raw: bytes, content_type: str | None) -> DecodedBody[BodyType]:
        """The body in `raw`; no bytes at all are the empty object.

        Raises:
            UnsupportedMediaType: not `application/json` in UTF-8.
            BadJson: not JSON (RFC 8259) in UTF-8, or nested deeper than any request is.
            PanNotAllowed: a string in it is a card number.
            ValidationFailed: everything else that is wrong with it, each field named.
        """
        if not raw:
            raw = b"{}"
        elif content_type != "application/json":
            _require_json(content_type)
        try:
            return self._decode(raw)
        except RecursionError:
            raise BadJson("The body is nested too deeply.") from None

    def _decode(self, raw: bytes) -> DecodedBody[BodyType]:
        try:
            document = _decode_json(raw)
        except (msgspec.DecodeError, ValueError):
            self._refuse(raw)
        # What these three look for can hide behind an escape, so a text with one is read with care.
        if b"\\" in raw or holds_card_number(raw):
            return self._decode_with_care(raw, document)
        try:
            value = msgspec.convert(document, self._type)
        except msgspec.ValidationError:
            self._refuse(raw)
        canonical = canonical_json(document) if raw.isascii() else rfc8785.dumps(document)
        # Without escapes, each name and each text brings its two quotes; a name that came twice leaves some over.
        if raw.count(b'"') != canonical.count(b'"') or value.inconsistencies():
            self._refuse(raw)
        return DecodedBody(value, canonical)

    def _decode_with_care(self, raw: bytes, document: Any) -> DecodedBody[BodyType]:
        careful = _read_with_care(raw)
        if any(card_number_pointers(careful)) or any(text_errors(careful)) or any(field_errors(self._kind, careful)):
            self._refuse(raw)
        value = msgspec.convert(document, self._type)
        if value.inconsistencies():
            self._refuse(raw)
        return DecodedBody(value, rfc8785.dumps(document))

    def _refuse(self, raw: bytes) -> NoReturn:
        """Say what is wrong with a body that was not accepted."""
        document = _read_with_care(raw)
        if numbers := sorted(set(card_number_pointers(document))):
            raise _worded(
                PanNotAllowed(
                    [FieldError(pointer, "bad_format", "holds a card number; send a token") for pointer in numbers]
                )
            )
        if unreadable := list(no_number_pointers(document)):
            raise BadJson(
                "The body is not valid JSON: NaN and Infinity are no JSON numbers.",
                errors=[FieldError(pointer, "not_integer", "is no number") for pointer in unreadable],
            )
        errors = [*text_errors(document), *field_errors(self._kind, document)]
        if not errors:
            errors = self._inconsistencies(document)
        raise _worded(ValidationFailed(errors))

    def _inconsistencies(self, document: Any) -> list[FieldError]:
        try:
            return msgspec.convert(document, self._type).inconsistencies()
        except msgspec.ValidationError as error:
            # The two readers disagree: refuse all the same, and say what msgspec said, which quotes no value.
            return [FieldError("", "bad_format", str(error))]


def _worded(refusal: ValidationFailed) -> ValidationFailed:
    """The refusal with a word for the empty pointer, which is the whole body."""
    refusal.detail = "; ".join(
        f"{error.pointer}: {error.detail}" if error.pointer else f"the body {error.detail}" for error in refusal.errors
    )
    return refusal


def _require_json(content_type: str | None) -> None:
    media_type, *parameters = (content_type or "").split(";")
    charsets = set()
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":  # names come in any case (RFC 9110 section 5.6.6)
            charsets.add(value.strip().strip('"').lower())
    if media_type.strip().lower() != "application/json" or charsets - {"utf-8"}:
        raise UnsupportedMediaType


def _read_with_care(raw: bytes) -> Any:
    """The document with nothing lost: names that come twice, whole numbers of any length, floats as floats."""
    try:
        return json.loads(
            raw.decode(),
            object_pairs_hook=Object,
            parse_int=lambda digits: int(digits) if len(digits) <= _DIGITS_THAT_COUNT else _TOO_LARGE,
            parse_constant=NoNumber,
        )
    except UnicodeDecodeError:
        raise BadJson("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        if raw.startswith(codecs.BOM_UTF8):
            raise BadJson(
                "The body begins with a byte order mark, which JSON has not (RFC 8259 section 8.1)."
            ) from None
        raise BadJson(f"The body is not valid JSON: {error.msg} at character {error.pos}.") from None
