"""Events of every type with any content, for properties."""

from collections.abc import Sequence
from typing import get_args

from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import Event


def sane(event: Event) -> Event:
    """The one thing the contract asks of an event that types cannot say: the parts of a refund are its amount."""
    for field in ("funding", "restored", "taken_from"):
        parts: Sequence[object] | None = getattr(event, field, None)
        if parts is not None:
            event = replace(event, amount=sum(part.amount for part in parts))  # type: ignore[attr-defined]
    return event


ANY_EVENT = st.one_of([st.from_type(event_type) for event_type in get_args(Event)]).map(sane)
