"""How long a shard's checkpoint may stay locked: settings of the connections on which batches are applied."""

from types import MappingProxyType
from typing import Final

CHECKPOINT_LOCKS: Final = MappingProxyType(
    {
        # A process that freezes inside a transaction gives up its checkpoints to the one that takes over.
        "idle_in_transaction_session_timeout": "10000",
        # Until it has, one checkpoint that it holds must not keep other shards waiting for long.
        "lock_timeout": "2000",
    }
)
"""PostgreSQL's settings by name, in milliseconds."""
