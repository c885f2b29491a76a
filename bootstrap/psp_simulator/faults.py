"""Faults set by hand for the next requests, whatever their scenario: `/sim/faults`. They live in memory alone."""

from typing import Literal

import msgspec

Target = Literal["payment", "capture", "refund", "void", "reversal", "inquiry"]
Damage = Literal["none", "drop_before", "drop_after", "hang", "error", "unavailable"]


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What befalls the next `requests` requests.

    `operation` null means every one. `latency_s` is simulated time before anything is done. Damage: `drop_before` and
    `drop_after` reset the connection before or after processing, `hang` holds the socket and processes nothing,
    `error` (500) and `unavailable` (503) answer unprocessed, `none` leaves it at the latency.
    """

    operation: Target | None = None
    fault: Damage = "none"
    latency_s: float = 0.0
    requests: int = 1


class Faults:
    """The faults that wait for their requests; the oldest that fits is used first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def waiting(self) -> list[Fault]:
        return list(self._waiting)

    def next_for(self, target: Target) -> Fault | None:
        """Use up one request of the first fault that fits."""
        for fault in self._waiting:
            if fault.operation in {None, target}:
                fault.requests -= 1
                if fault.requests <= 0:
                    self._waiting.remove(fault)
                return fault
        return None
