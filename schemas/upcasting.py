"""What an older event means in the newest version of its schema, where a default alone cannot say it.

Avro's schema resolution has already filled new fields with their defaults; an upcaster then computes the ones whose
right value follows from the others. Each step goes from one version to the next.
"""

from collections.abc import Callable
from typing import Any, Final

_Fields = dict[str, Any]


def _psp_outcome_unknown_v1(fields: _Fields) -> _Fields:
    # Version 1 did not write down what would happen next; the ladder of its day retried five times, then inquired.
    ladder = 5
    return fields | {"next_step": "retry" if fields["tries"] < ladder else "inquiry"}


_STEPS: Final[dict[tuple[str, int], Callable[[_Fields], _Fields]]] = {
    ("PspOutcomeUnknown", 1): _psp_outcome_unknown_v1,
}


def upcast(event_type: str, version: int, fields: _Fields) -> _Fields:
    """`fields`, read from `version` into the newest schema, with what that version left out made good."""
    while (event_type, version) in _STEPS:
        fields = _STEPS[event_type, version](fields)
        version += 1
    return fields
