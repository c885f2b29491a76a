"""`python -m bootstrap.bench.hostile.attacker ATTACK.json SEEN.json`: one attack, in a process of its own."""

import asyncio
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from bootstrap.bench.hostile.attack import Attack, Seen
from bootstrap.bench.hostile.attacks import Attacker

BEGUN: Final = "begun"
"""The file beside the attack's that says that SIGTERM will be heard."""


async def attacked(attack: Attack, begun: Callable[[], None]) -> Seen:
    """Misbehave until the time is over or SIGTERM comes; what was seen; `begun` is called once it does."""
    attacker = Attacker(attack)
    run = asyncio.create_task(attacker.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, run.cancel)
    begun()
    await asyncio.wait([run])
    return attacker.seen


def main() -> None:
    """Read the attack, carry it out, write what was seen; `begun` is called once it does."""
    asked, seen = Path(sys.argv[1]), Path(sys.argv[2])
    attack = msgspec.json.decode(asked.read_bytes(), type=Attack)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seen.write_bytes(msgspec.json.encode(uvloop.run(attacked(attack, asked.with_name(BEGUN).touch))))


if __name__ == "__main__":
    main()
