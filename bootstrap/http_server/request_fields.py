"""What has to be right with a request's header fields before anything else is done with it (RFC 9112)."""

import re
from collections.abc import Iterable
from typing import Final

from schemas.errors import MalformedRequest, Rejected, TransferCodingUnknown

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
"""`uri-host [":" port]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2), without IP addresses of a future version."""


def what_is_wrong(fields: Iterable[tuple[bytes, bytes]], version: str) -> Rejected | None:
    """Null where there is one Host that can be one, and a body that is read as it was written; names are lower-case."""
    hosts, codings = [], []
    for name, value in fields:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            codings += [coding.strip() for coding in value.lower().split(b",")]
    if len(hosts) != 1 and (hosts or version == "1.1"):
        return MalformedRequest("A request names its Host once (RFC 9112 section 3.2).")
    if hosts and not _HOST.fullmatch(hosts[0]):
        return MalformedRequest("The Host is no host with or without a port (RFC 9112 section 3.2).")
    # The parser refuses what does not end in `chunked`, and else hands on what another coding has made of the body.
    if len(codings) > 1 and codings[-1] == b"chunked" and set(codings) != {b"chunked"}:
        return TransferCodingUnknown()
    return None
