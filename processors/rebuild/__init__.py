"""Rebuilding a read model from the log, beside the live one, and verifying that the live one is what the log says.

Start reading with `rebuild.py`; `sources.py` is where the log is read from, `verification.py` how the ledger is proven,
and `log_check.py` how the log itself is.
"""

from processors.rebuild.findings import Finding
from processors.rebuild.generations import RebuildRunning, shards_of
from processors.rebuild.rebuild import Rebuild, RebuildDiffers, RebuildReport, SourceStalled, open_pool
from processors.rebuild.sources import KafkaLog, LogSource, PostgresLog
from processors.rebuild.verification import NothingLive, Verification, verify_ledger

__all__ = [
    "Finding",
    "KafkaLog",
    "LogSource",
    "NothingLive",
    "PostgresLog",
    "Rebuild",
    "RebuildDiffers",
    "RebuildReport",
    "RebuildRunning",
    "SourceStalled",
    "Verification",
    "open_pool",
    "shards_of",
    "verify_ledger",
]
