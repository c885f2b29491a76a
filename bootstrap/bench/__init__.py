"""`guilder bench`: what the house does in a second, told as ratios to what this very machine does without it.

It may import all of our folders; nothing imports it but the command line. Start reading with `bench.py`, which
interleaves the rows, and `rows.py`, which names them and makes what they stand on; each row is a module of its own
(`echo.py`, `create.py`, `live.py`, `whole_flow.py` …). `load.py`, `generator.py`, `wrk.py` and `payers.py` are the
clients, `losses.py` holds the accounts of the whole flow together, `figures.py` is the arithmetic, `report.py` and
`report_table.py` what is said of it. `history.py` is `guilder bench history`.
"""


class BenchError(Exception):
    """A measurement that would not mean what it says; the message tells why."""
