"""A worker as a process of its own, so that it can be killed: `python worker.py DSN NAME OPTIONS_JSON`."""

import asyncio
import signal
import sys
from pathlib import Path

import asyncpg
import msgspec

sys.path.insert(0, str(Path(__file__).parents[3]))

from bootstrap.clock import SYSTEM_CLOCK
from processors.log_consumer import HaltedShards, LogConsumer, LogConsumerOptions
from tests.processors.log_consumer.seen_records import NAME, SeenRecords


async def main(dsn: str, name: str, options: LogConsumerOptions) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=5, server_settings={"role": "guilder_app"}) as pool:
        handler = SeenRecords(pool, worker=name, pause_s=0.05)
        await LogConsumer(options, handler, HaltedShards(pool, NAME, SYSTEM_CLOCK)).run(stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], msgspec.json.decode(sys.argv[3], type=LogConsumerOptions)))
