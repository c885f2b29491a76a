"""The demo: some hundred realistic payments against the running stack, every figure checked against the PSP's own log.

`plan` says what will be paid (from a seed), `shoppers` drives it over HTTP as merchants would, `checks` holds the
ledger against the PSP's log, `report` shows it. `seed` makes the demo merchant that `./guilder up` prints a key for.
"""
