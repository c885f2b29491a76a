"""The wire frame: `0x00`, the schema id as 4 bytes big-endian, then Avro binary (the Confluent wire format).

An event is written with the newest schema of its type and read with the schema that its frame names, resolved to the
newest and upcast, so the rest of the house knows one version of each event only. Stored bytes never change.
"""

from io import BytesIO
from typing import Any, Final

import msgspec
from fastavro import schemaless_reader, schemaless_writer

from schemas.events import EVENT_TYPES, Event
from schemas.registry import RegistrySchema, newest_schemas, schemas_by_id
from schemas.upcasting import upcast

MAX_FRAME_BYTES: Final = 64 * 1024
_MAGIC: Final = b"\x00"
_HEADER_BYTES: Final = 5


class FrameMalformed(ValueError):
    """Bytes that are no frame of a schema this process knows."""


class FrameTooLarge(ValueError):
    """An event that does not fit into 64 KiB."""


def encode(event: Event) -> bytes:
    """The frame of `event`, at most 64 KiB.

    Raises:
        FrameTooLarge: it would be longer.
    """
    schema = newest_schemas()[type(event).__name__]
    buffer = BytesIO()
    buffer.write(_MAGIC + schema.id.to_bytes(4))
    schemaless_writer(buffer, schema.parsed, msgspec.to_builtins(event))
    frame = buffer.getvalue()
    if len(frame) > MAX_FRAME_BYTES:
        raise FrameTooLarge(f"{type(event).__name__} takes {len(frame)} bytes, at most {MAX_FRAME_BYTES} are allowed")
    return frame


def schema_of(frame: bytes) -> RegistrySchema:
    """The schema that wrote `frame`.

    Raises:
        FrameMalformed: too short, another magic byte, or an id that is not in the registry.
    """
    if len(frame) < _HEADER_BYTES or frame[:1] != _MAGIC:
        raise FrameMalformed("a frame starts with 0x00 and a 4-byte schema id")
    schema_id = int.from_bytes(frame[1:_HEADER_BYTES])
    try:
        return schemas_by_id()[schema_id]
    except KeyError:
        raise FrameMalformed(f"no schema has the id {schema_id}") from None


def decode(frame: bytes) -> Event:
    """The event in `frame`, in the newest version of its type.

    Raises:
        FrameMalformed: not a frame, an unknown schema id, bytes its schema cannot read, or a word that this version of
            the house does not know.
    """
    writer = schema_of(frame)
    newest = newest_schemas()[writer.event_type]
    buffer = BytesIO(frame)
    buffer.seek(_HEADER_BYTES)
    reader = None if newest.id == writer.id else newest.parsed
    try:
        fields: Any = schemaless_reader(buffer, writer.parsed, reader)
    except (EOFError, IndexError, ValueError, TypeError) as error:
        raise FrameMalformed(f"the bytes do not read as {writer.event_type} v{writer.version}: {error}") from error
    if buffer.read(1):
        raise FrameMalformed(f"bytes are left over behind {writer.event_type} v{writer.version}")
    if newest.id != writer.id:
        fields = upcast(writer.event_type, writer.version, fields)
    try:
        return msgspec.convert(fields, EVENT_TYPES[writer.event_type])
    except msgspec.ValidationError as error:
        raise FrameMalformed(f"{writer.event_type} v{writer.version} holds what it may not: {error}") from error
