"""The reads over HTTP: payment intents, their history, refunds, the ledger and balances.

`ROUTES` is the table of them and `QueryServices` what they need; the composition root compiles both into the API.
Start reading with `routes.py`, then `reading.py`: every answer comes from one snapshot and states its position.
"""

from projections.query_api.reading import QueryServices
from projections.query_api.routes import ROUTES

__all__ = ["ROUTES", "QueryServices"]
