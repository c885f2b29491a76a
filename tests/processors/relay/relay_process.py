"""A relay as a process of its own, so that it can be killed: `python relay_process.py OPTIONS_JSON`."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[3]))

from processors.relay import Relay, RelayOptions


async def main(options: RelayOptions) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await Relay(options).run(stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=RelayOptions)))
