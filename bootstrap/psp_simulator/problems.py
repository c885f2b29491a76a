"""Every refusal as one problem document (RFC 9457) that names the code and, for bad fields, where they stand."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

PROBLEM_JSON = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True):
    """A field that is not as it must be; `pointer` is a JSON Pointer (RFC 6901) into the body."""

    pointer: str
    code: str
    detail: str


class ProblemError(Exception):
    """A request that is refused; nothing was processed unless the code says otherwise."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self._members = {"detail": detail, "code": code, **({"errors": list(errors)} if errors else {}), **extra}

    def body(self) -> bytes:
        return msgspec.json.encode(
            {
                "type": f"urn:psp-simulator:problem:{self.code}",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                **self._members,
            }
        )


def internal_error() -> ProblemError:
    """A 500 that tells nothing about what was done."""
    return ProblemError(500, "internal_error", "Something went wrong; the outcome is unknown.")


def unavailable() -> ProblemError:
    """A 503 that promises that nothing was processed."""
    return ProblemError(
        503, "unavailable", "Not available; the request was not processed.", headers={"Retry-After": "1"}
    )


def rate_limited() -> ProblemError:
    """A 429 that promises that nothing was processed."""
    return ProblemError(
        429, "rate_limited", "Too many requests; the request was not processed.", headers={"Retry-After": "1"}
    )
