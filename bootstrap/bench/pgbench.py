"""PostgreSQL's own measure of the disk and itself: `pgbench`, one row inserted a transaction, 16 clients."""

import shutil
from pathlib import Path
from typing import Final

from bootstrap.bench import BenchError
from bootstrap.bench.ground import Ground
from bootstrap.bench.row import Measured, Missing
from bootstrap.local_stack import child
from bootstrap.local_stack.ports import LOOPBACK
from bootstrap.local_stack.postgres import SUPERUSER
from bootstrap.local_stack.servers import tail

CLIENTS: Final = 16
DATABASE: Final = "bench_rows"
_SCRIPT: Final = "INSERT INTO rows (payload) VALUES (repeat('x', {bytes}));\n"
_TABLE: Final = "CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL)"
_SPARE_S: Final = 30.0


def find_pgbench(binaries: Path) -> Path | None:
    """The one that belongs to this PostgreSQL, else that on the PATH, else none."""
    beside = binaries / "pgbench"
    if beside.exists():
        return beside
    found = shutil.which("pgbench")
    return None if found is None else Path(found)


def parse_tps(output: str) -> float:
    """Transactions per second without the time to connect.

    Raises:
        BenchError: pgbench has not said it.
    """
    for line in output.splitlines():
        if line.startswith("tps = ") and "without initial connection time" in line:
            return float(line.split()[2])
    raise BenchError(f"pgbench states no tps:\n{output}")


class PgbenchRow:
    """Rows of as many bytes as a create's body, in a table with a primary key and nothing else."""

    name = "pgbench"

    def __init__(self, ground: Ground, *, seconds: float, row_bytes: int) -> None:
        self._ground = ground
        self._seconds = max(1, round(seconds))
        self._script = ground.home / "insert.sql"
        self._script.write_text(_SCRIPT.format(bytes=row_bytes), encoding="ascii")
        ground.create_database(DATABASE)
        ground.execute(DATABASE, _TABLE)

    def measure(self, number: int) -> Measured | Missing:
        """One run; `Missing` where there is no pgbench."""
        program = find_pgbench(self._ground.postgres.binaries)
        if program is None:
            return Missing("there is no pgbench beside this PostgreSQL or on the PATH")
        log_path = self._ground.home / "logs" / f"pgbench-{number}.log"
        environment = {"PGPASSWORD": self._ground.postgres.password_path.read_text(encoding="ascii")}
        command = [str(program), "-h", LOOPBACK, "-p", str(self._ground.postgres.port), "-U", SUPERUSER, "-n"]
        command += ["-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(self._seconds)]
        command += ["-f", str(self._script), DATABASE]
        running = child.start("pgbench", command, log_path=log_path, environment=environment)
        try:
            running.process.wait(self._seconds + _SPARE_S)
        finally:
            running.stop(timeout_s=1.0)
        if running.exit_code != 0:
            raise BenchError(f"pgbench ended with {running.exit_code}:\n{tail(log_path)}")
        return Measured(per_second=parse_tps(log_path.read_text(encoding="utf-8")))
