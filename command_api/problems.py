"""The one place where a refusal becomes `application/problem+json` (RFC 9457)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.errors import KeyRevoked, MethodNotAllowed, Rejected, Unauthenticated

Headers = list[tuple[bytes, bytes]]

_TYPE: Final = "urn:guilder:error:"
_RETRY_AFTER_S: Final = {503: b"1", 429: b"1"}
_encoder: Final = msgspec.json.Encoder()


class InternalError(Rejected):
    """What a client is told of a defect: nothing but where to find it in the logs."""

    code, status, title = "internal_error", 500, "Something went wrong on our side."


class WrongMethod(MethodNotAllowed):
    """The path exists, and answers only the methods in `allow`."""

    def __init__(self, allow: Sequence[str]) -> None:
        super().__init__(f"This path answers {', '.join(allow)}.", allow=list(allow))
        self.allow = tuple(allow)


def problem(error: BaseException, request_id: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the answer to a request that ended with `error`.

    A refusal says what it is; anything else is `internal_error` and says nothing of itself. `Retry-After` (seconds) is
    on what may pass when tried again, `WWW-Authenticate` on 401 (RFC 9110 section 11.6.1), `Allow` on 405.
    """
    refusal = error if isinstance(error, Rejected) else InternalError()
    document: dict[str, Any] = {
        "type": _TYPE + refusal.code,
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": request_id,
        **refusal.extensions,
    }
    headers: Headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    retry_after = _RETRY_AFTER_S.get(refusal.status)
    if retry_after is not None:
        headers.append((b"retry-after", retry_after))
    if isinstance(refusal, Unauthenticated | KeyRevoked):
        headers.append((b"www-authenticate", b'Bearer realm="guilder"'))
    elif isinstance(refusal, WrongMethod):
        headers.append((b"allow", ", ".join(refusal.allow).encode()))
    return refusal.status, headers, _encoder.encode(document)
