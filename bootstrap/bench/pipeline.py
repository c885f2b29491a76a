"""Everything behind the log, on one database: Kafka all along, our own processes only while a row needs them.

What does not run cannot disturb the rows that do without it; the broker alone stays up, idle.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bootstrap.bench import BenchError
from bootstrap.bench.ground import SHARDS, Ground
from bootstrap.clock import random_bytes
from bootstrap.local_stack import ports
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.plan import REPOSITORY
from bootstrap.local_stack.ports import LOOPBACK
from bootstrap.local_stack.roster import API, PSP_SIMULATOR, RELAY, ROSTER, GuilderProcess

PATIENCE_S: Final = 300.0
_POLL_S: Final = 0.05
_BEHIND_THE_TOPIC: Final = "SELECT count(*) FROM heads h LEFT JOIN relay_checkpoints c USING (shard) WHERE h.position > coalesce(c.position, 0)"
# The lifecycles that the bench appends itself were paid without any PSP: they leave the saga nothing to do.
_NOTHING_FOR_THE_SAGA: Final = """
    WITH moved AS (
        INSERT INTO checkpoints AS c (projection, generation, shard, position)
        SELECT 'payment_saga', 1, shard, position FROM heads
        ON CONFLICT (projection, generation, shard) DO UPDATE SET position = greatest(c.position, excluded.position)
        RETURNING 1
    ) SELECT count(*) FROM moved
"""


class Pipeline:
    """`database` is the one whose log goes through Kafka; there is one topic, so there is one such database."""

    def __init__(self, ground: Ground, database: str) -> None:
        self.ground = ground
        self.database = database
        self.dsn = ground.dsn(database)
        self._kafka = ground.start_kafka()
        self._psp_key = f"psp_{random_bytes(24).hex()}"
        self._ports: dict[str, int] = {}
        for process in ROSTER:
            self._ports[process.name] = ports.choose([], avoid=self._ports.values())

    @property
    def api_port(self) -> int:
        return self._ports[API.name]

    @property
    def psp_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports[PSP_SIMULATOR.name]}"

    @contextmanager
    def running(self, *processes: GuilderProcess) -> Iterator[dict[str, Child]]:
        """Run `guilder run NAME` for each of `processes`, by name, until the context ends. Raises ServerFailedError."""
        with ExitStack() as until:
            started = {each.name: self.start(each, until) for each in processes}
            for each in processes:
                self.ground.wait_for(started[each.name], self._ports[each.name])
            yield started

    def start(self, process: GuilderProcess, until: ExitStack) -> Child:
        """Start one process and do not wait for it."""
        command = ["-m", "bootstrap.cli", "run", process.name]
        return self.ground.launch(process.name, command, self._environment(process), until)

    def _environment(self, process: GuilderProcess) -> dict[str, str]:
        return {
            "PYTHONPATH": str(REPOSITORY),
            "GUILDER_HOME": str(self.ground.home),
            "GUILDER_SHARDS": str(SHARDS),
            "GUILDER_POSTGRES__DSN": self.dsn,
            "GUILDER_KAFKA__BOOTSTRAP_SERVERS": self._kafka,
            "GUILDER_API__PORT": str(self.api_port),
            "GUILDER_OPS__PORT": str(self._ports[process.name]),
            "GUILDER_PSP_SIMULATOR__URL": self.psp_url,
            "GUILDER_PSP_SIMULATOR__KEY": self._psp_key,
        }

    def relay_all(self) -> None:
        """Copy the whole log to the topic, which no saga is to act on; the relay ends with it."""
        self.ground.execute(self.database, _NOTHING_FOR_THE_SAGA)
        with self.running(RELAY):
            self.wait_until_none(_BEHIND_THE_TOPIC, "the relay")

    def wait_until_none(self, count: str, who: str) -> None:
        """Wait until the query `count` gives 0.

        Raises:
            BenchError: it does not for five minutes.
        """
        deadline = time.monotonic() + PATIENCE_S
        while self.ground.execute(self.database, count):
            if time.monotonic() > deadline:
                raise BenchError(f"{who} has not caught up within {PATIENCE_S:.0f} s")
            time.sleep(_POLL_S)
