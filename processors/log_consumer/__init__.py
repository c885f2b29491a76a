"""The Faust host: brings the log to a handler, shard by shard, and halts a shard rather than skip a record.

Start reading with `handler.py`, what is done with records, then `log_consumer.py`; `faust_app.py` lists what is worth
knowing of Faust.
"""

from processors.log_consumer.halted_shards import HaltedShards
from processors.log_consumer.handler import BatchHandler, PositionGap
from processors.log_consumer.log_consumer import LogConsumer, LogConsumerHealth, LogConsumerOptions

__all__ = ["BatchHandler", "HaltedShards", "LogConsumer", "LogConsumerHealth", "LogConsumerOptions", "PositionGap"]
