"""Payment service providers behind one Protocol: what may be asked of them, and what their answers are worth.

`provider.py` is the language (orders in, a definitive answer or an honest "unknown" out); `amounts.py`, `declines.py`,
`idempotency.py` and `routing.py` are tables; each other module belongs to the adapter of one PSP: its wire format and
the rules by which its answers are believed. May import `schemas` only, besides aiohttp and msgspec. Start reading with
`provider.py`; to add a PSP, write an adapter beside `simulator.py`, give it its rows in the tables and its place in
`processors/saga/payment_saga.py`, and let `tests/contract/test_psp_adapters.py` run over it.
"""
