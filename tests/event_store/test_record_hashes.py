from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_store.record_hashes import NO_PREDECESSOR, record_hash
from schemas.framing import digest

HASHES = st.binary(min_size=32, max_size=32)


@given(
    previous=HASHES,
    stream_id=st.uuids(),
    version=st.integers(1, 2**31 - 1),
    event_id=st.uuids(),
    event_type=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    schema_sha256=HASHES,
    payload=st.binary(max_size=100),
    metadata=st.binary(max_size=100),
    command_key=st.none() | st.uuids(),
    request_hash=st.none() | HASHES,
)
def test_it_is_the_framed_digest_of_the_record(
    *,
    previous: bytes,
    stream_id: UUID,
    version: int,
    event_id: UUID,
    event_type: str,
    schema_sha256: bytes,
    payload: bytes,
    metadata: bytes,
    command_key: UUID | None,
    request_hash: bytes | None,
) -> None:
    assert record_hash(
        previous,
        stream_id=stream_id,
        version=version,
        event_id=event_id,
        event_type=event_type,
        schema_sha256=schema_sha256,
        payload=payload,
        metadata=metadata,
        command_key=command_key,
        request_hash=request_hash,
    ) == digest(
        "guilder/record/v1",
        previous,
        stream_id,
        version,
        event_id,
        event_type,
        schema_sha256,
        payload,
        metadata,
        command_key,
        request_hash,
    )


@pytest.mark.parametrize(
    ("command_key", "request_hash", "expected"),
    [
        (None, None, "da6f625486ce56322f018a078687ec0cd86d0216e66ca9ce513cf985cfdeee63"),
        (UUID(int=3), bytes(32), "6fabf1e22b5bb1f8d409c38e43e05b42dd2c29db73a45144946dc4185c1316ee"),
    ],
    ids=["without a key", "with a key"],
)
def test_a_hash_never_changes(command_key: UUID | None, request_hash: bytes | None, expected: str) -> None:
    assert (
        record_hash(
            NO_PREDECESSOR,
            stream_id=UUID(int=1),
            version=1,
            event_id=UUID(int=2),
            event_type="MerchantRegistered",
            schema_sha256=b"s" * 32,
            payload=b"\0\0\0\0\1",
            metadata=b"{}",
            command_key=command_key,
            request_hash=request_hash,
        ).hex()
        == expected
    )
