"""`guilder bench`: what the house does in a second, told as ratios to what this very machine does without it.

It may import all of our folders; nothing imports it but the command line. Start reading with `bench.py`, which
interleaves the rows; each row is a module of its own (`echo.py`, `pgbench.py`, `create.py`, …), `load.py` and
`generator.py` are the clients, `figures.py` the arithmetic and `report.py` the table and the JSON.
"""


class BenchError(Exception):
    """A measurement that would not mean what it says; the message tells why."""
