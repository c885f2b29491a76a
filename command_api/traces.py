"""`traceparent` (W3C Trace Context, level 1): kept in the envelope so that a trace goes on through the log."""

import re
from typing import Final

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(header: str | None) -> str | None:
    """The header when it is well-formed, else null: a trace that cannot be read is a trace that was not sent."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None
