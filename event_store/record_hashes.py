"""The hash of each record: a checksum on the record itself and a chain along its stream."""

import hashlib
from typing import Final
from uuid import UUID

NO_PREDECESSOR: Final = bytes(32)
_NULL: Final = bytes(4)
_16: Final = (16).to_bytes(4)
_32: Final = (32).to_bytes(4)
# Domain tag and the length of the first field, the previous record hash.
_HEAD: Final = b"guilder/record/v1\0" + _32


def record_hash(
    previous: bytes,
    *,
    stream_id: UUID,
    version: int,
    event_id: UUID,
    event_type: str,
    schema_sha256: bytes,
    payload: bytes,
    metadata: bytes,
    command_key: UUID | None,
    request_hash: bytes | None,
) -> bytes:
    """SHA-256 (32 bytes) over the record, framed in the domain `guilder/record/v1`, behind `previous`.

    `previous` is the hash of the stream's record before (`NO_PREDECESSOR` at version 1). Position and time are not in
    it: they are given later, under the lock, and the Merkle leaf covers them. This is `schemas.framing.digest` of the
    same fields written out, because every event of every command passes here.
    """
    name = event_type.encode()
    return hashlib.sha256(
        b"".join(
            (
                _HEAD,
                previous,
                _16,
                stream_id.bytes,
                b"\0\0\0\x08",
                version.to_bytes(8),
                _16,
                event_id.bytes,
                len(name).to_bytes(4),
                name,
                _32,
                schema_sha256,
                len(payload).to_bytes(4),
                payload,
                len(metadata).to_bytes(4),
                metadata,
                _NULL if command_key is None else _16 + command_key.bytes,
                _NULL if request_hash is None else _32 + request_hash,
            )
        )
    ).digest()
