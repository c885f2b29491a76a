"""RFC 8785 JSON (the canonical form that gets hashed) of values whose keys and numbers stay inside msgspec's reach.

For objects with ASCII keys, integers below 2⁵³ and no floats, RFC 8785 is what msgspec writes with sorted keys; a test
holds the two together. Envelopes and schemas are such values. Request bodies may not be: the edge treats those itself.
"""

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of `value`, which has ASCII keys, integers below 2⁵³ and no floats."""
    return _encoder.encode(value)
