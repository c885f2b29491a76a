"""What the writer counts: a few figures for each flush, none for each command."""

from typing import Final

from prometheus_client import Histogram

BATCH_COMMANDS: Final = Histogram(
    "guilder_append_batch_commands",
    "Commands stored by one flush.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
COMMIT_SECONDS: Final = Histogram(
    "guilder_append_commit_seconds",
    "How long the one call of a flush took: locks, inserts, commit and its fsync.",
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8),
)
APPEND_SECONDS: Final = Histogram(
    "guilder_append_seconds",
    "From a command's arrival at the writer until it was stored, for the command of each flush that waited longest.",
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8),
)
