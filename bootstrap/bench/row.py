"""One row of the bench: something that is measured once a round."""

from typing import Protocol

import msgspec

from bootstrap.bench.flow_round import FlowRound
from bootstrap.bench.load import BUSY_SHARE, LoadResult


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a round gave; shares are of one core, null where nobody took them.

    `asked_per_second` is a paced row's rate, `flow` what only the whole flow has.
    """

    per_second: float
    asked_per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    generator: str | None = None
    generator_cpu: float | None = None
    server_cpu: float | None = None
    flow: FlowRound | None = None

    @classmethod
    def of(cls, result: LoadResult, server_cpu: float | None) -> "Measured":
        return cls(
            per_second=result.per_second,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            generator=result.generator,
            generator_cpu=result.generator_cpu,
            server_cpu=server_cpu,
        )

    @property
    def generator_was_busy(self) -> bool:
        return self.generator_cpu is not None and self.generator_cpu > BUSY_SHARE


class Missing(msgspec.Struct, frozen=True):
    """Why a row has no figure."""

    reason: str


class Row(Protocol):
    """Measured once a round, in turn with all others."""

    @property
    def name(self) -> str: ...

    def measure(self, number: int) -> Measured | Missing:
        """Measure for round `number` (from 0)."""
        ...
