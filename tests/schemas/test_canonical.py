"""Our canonical JSON is RFC 8785 on the values it is for; envelopes and schemas are such values."""

import json

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.envelope import Envelope, decode_envelope
from schemas.registry import registry
from tests.schemas.events import of_type, texts

_SAFE = 2**53 - 1
ascii_keys = st.text(st.characters(max_codepoint=126), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-_SAFE, _SAFE) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ascii_keys, inner, max_size=6),
    max_leaves=20,
)
envelopes = of_type(Envelope).filter(lambda envelope: abs(envelope.effective_at) <= _SAFE)


@given(values)
def test_it_writes_what_rfc_8785_writes(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_keys_are_sorted_and_nothing_is_left_between() -> None:
    assert canonical_json({"b": 1, "a": [True, None], "B": "ü\n"}) == '{"B":"ü\\n","a":[true,null],"b":1}'.encode()


@given(envelopes)
def test_an_envelope_is_canonical_complete_and_comes_back(envelope: Envelope) -> None:
    raw = envelope.canonical()
    assert raw == rfc8785.dumps(json.loads(raw))
    assert set(json.loads(raw)) == set(Envelope.__struct_fields__)
    assert decode_envelope(raw) == envelope


def test_schemas_are_canonical() -> None:
    for entry in registry():
        assert canonical_json(entry.definition) == rfc8785.dumps(entry.definition)
