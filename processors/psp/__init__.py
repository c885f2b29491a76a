"""Payment service providers behind one Protocol: what may be asked of them, and what their answers are worth.

`provider.py` is the language (orders in, a definitive answer or an honest "unknown" out), `amounts.py` and `routing.py`
are tables, and each other module is the adapter of one PSP: its wire format and the rules by which its answers are
believed. May import `schemas` only, besides aiohttp and msgspec. Start reading with `provider.py`; to add a PSP, write an
adapter beside `simulator.py`, give it a row in `amounts.py` and `routing.py`, and run the contract tests over it.
"""
