"""The saga tests' simulator."""

from tests.processors.saga.conftest import fast_psp

__all__ = ["fast_psp"]
