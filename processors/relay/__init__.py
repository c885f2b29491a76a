"""The relay: copies each shard's log from PostgreSQL to its Kafka partition, in order, without a gap.

Start reading with `topic_tail.py`, which states the topic's invariant, then `shard_copy.py` and `relay.py`.
"""

from processors.relay.relay import Relay, RelayHealth, RelayOptions

__all__ = ["Relay", "RelayHealth", "RelayOptions"]
