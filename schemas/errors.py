"""The closed family of expected refusals. Each has a stable code and the HTTP status a client sees.

Exactly one place turns them into `application/problem+json` (RFC 9457): the edge's problem renderer. What is not in
this family is a defect, crashes loudly and becomes `internal_error`.
"""

from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One bad field: `pointer` is an RFC 6901 JSON pointer into the body (or the name of a query parameter)."""

    pointer: str
    code: str
    detail: str


class Rejected(Exception):
    """A command or request that was refused; nothing was stored.

    `extensions` become members of the problem document beside `code`, such as `available` or `allowed`.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str | None = None, **extensions: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extensions = extensions


# 400: outside the contract
class MalformedRequest(Rejected):
    code, status, title = "malformed_request", 400, "The request is not well-formed HTTP/1.1."


class BadJson(Rejected):
    code, status, title = "bad_json", 400, "The body is not valid JSON."


class ValidationFailed(Rejected):
    """Fields that break the contract, each named by its pointer."""

    code, status, title = "validation_failed", 400, "Some fields are not valid."

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.detail}" for error in errors), errors=errors)
        self.errors = errors


class IdempotencyKeyMissing(Rejected):
    code, status, title = "idempotency_key_missing", 400, "Every POST needs an Idempotency-Key header."


class IdempotencyKeyInvalid(Rejected):
    code, status, title = "idempotency_key_invalid", 400, "An Idempotency-Key is 1 to 255 visible ASCII characters."


class PanNotAllowed(ValidationFailed):
    code, status, title = "pan_not_allowed", 400, "Card numbers are not accepted; send a token."


class CursorInvalid(Rejected):
    code, status, title = "cursor_invalid", 400, "This cursor was not issued by this list."


class FilterUnknown(Rejected):
    code, status, title = "filter_unknown", 400, "There is no such filter or query parameter here."


# 401 and 403: who is asking
class Unauthenticated(Rejected):
    code, status, title = "unauthenticated", 401, "A valid API key is needed."


class KeyRevoked(Rejected):
    code, status, title = "key_revoked", 401, "This API key was revoked or has expired."


class ScopeMissing(Rejected):
    code, status, title = "scope_missing", 403, "This API key does not carry the scope that is needed."


class MerchantMismatch(Rejected):
    code, status, title = "merchant_mismatch", 403, "The merchant_id is not the merchant of this API key."


class LivemodeMismatch(Rejected):
    code, status, title = "livemode_mismatch", 403, "Live keys and test objects (or the reverse) do not mix."


# 404, 405, 408, 412, 413, 415, 431
class NotFound(Rejected):
    code, status, title = "not_found", 404, "There is no such object."


class MethodNotAllowed(Rejected):
    code, status, title = "method_not_allowed", 405, "This path does not answer that method."


class RequestTimeout(Rejected):
    code, status, title = "request_timeout", 408, "The request did not arrive in time."


class VersionMismatch(Rejected):
    code, status, title = "version_mismatch", 412, "The object has changed since that version."


class BodyTooLarge(Rejected):
    code, status, title = "body_too_large", 413, "A body has at most 64 KiB."


class UnsupportedMediaType(Rejected):
    code, status, title = "unsupported_media_type", 415, "Bodies are application/json in UTF-8."


class HeadersTooLarge(Rejected):
    code, status, title = "headers_too_large", 431, "The path and the header fields are too many or too long."


# 409: the state of the object
class InvalidState(Rejected):
    """The object's state does not allow the command: `current` is its status, `allowed` what that would need to be.

    Where the status is among those already, something else is missing, such as an amount; `allowed` is empty then.
    """

    code, status, title = "invalid_state", 409, "The object's status does not allow this."

    def __init__(self, detail: str, *, current: str, allowed: list[str]) -> None:
        if current in allowed:
            allowed = []  # named, it would send the client in a circle
        super().__init__(detail, current_status=current, allowed=allowed)
        self.current = current
        self.allowed = allowed


class OperationInProgress(Rejected):
    code, status, title = "operation_in_progress", 409, "Another operation on this object has not ended yet."


class AuthorizationExpiredAlready(Rejected):
    code, status, title = "authorization_expired", 409, "The authorization has expired."


class AttemptsExhausted(Rejected):
    code, status, title = "attempts_exhausted", 409, "This payment intent has used all its authorization attempts."


class ConcurrentUpdate(Rejected):
    code, status, title = "concurrent_update", 409, "The object kept changing while this command was decided."


# 422: refused by a plan, a rule or a PSP's limits
class IdempotencyKeyReused(Rejected):
    code, status, title = "idempotency_key_reused", 422, "This Idempotency-Key was used with another request."


class CaptureExceedsAuthorized(Rejected):
    """`requested` and `available` are minor units."""

    code, status, title = "capture_exceeds_authorized", 422, "The capture exceeds what is left to capture."

    def __init__(self, *, requested: int, available: int) -> None:
        super().__init__(f"{requested} was asked for, {available} can be captured", available=available)
        self.requested = requested
        self.available = available


class RefundExceedsCaptured(Rejected):
    """`requested` and `available` are minor units."""

    code, status, title = "refund_exceeds_captured", 422, "The refund exceeds what is left to refund."

    def __init__(self, *, requested: int, available: int) -> None:
        super().__init__(f"{requested} was asked for, {available} can be refunded", available=available)
        self.requested = requested
        self.available = available


class AmountTooLarge(Rejected):
    code, status, title = "amount_too_large", 422, "The amount exceeds the limit that applies."


class CurrencyNotSupported(Rejected):
    code, status, title = "currency_not_supported", 422, "This currency cannot be processed."


class AmountNotRepresentable(Rejected):
    code, status, title = "amount_not_representable", 422, "The PSP cannot represent this amount exactly."


class PaymentMethodNotSupported(Rejected):
    code, status, title = "payment_method_not_supported", 422, "This payment method cannot be processed."


class MultiCaptureNotSupported(Rejected):
    code, status, title = "multi_capture_not_supported", 422, "The PSP allows one capture for each authorization."


class TooManyOperations(Rejected):
    code, status, title = "too_many_operations", 422, "This payment intent has reached its number of operations."


# 429, 500, 501, 503: the platform itself
class RateLimited(Rejected):
    code, status, title = "rate_limited", 429, "Too many requests."


class TransferCodingUnknown(Rejected):
    code, status, title = "transfer_coding_unknown", 501, "The only transfer coding that is understood is chunked."


class Overloaded(Rejected):
    code, status, title = "overloaded", 503, "The platform is at its limit; try again shortly."


class ShardUnavailable(Rejected):
    code, status, title = "shard_unavailable", 503, "The store of this merchant cannot be reached right now."


class PositionNotReached(Rejected):
    code, status, title = "position_not_reached", 503, "The read model has not reached the position yet."
