"""Read models: everything that can be looked up, folded from the log and rebuilt from it at any time.

Here live the double-entry `ledger`, the `payments` view, the checkpoints and generations that hold them to the log, and
`query_api`, the routes over them. It imports `schemas`, and of `aggregates` only how a state is folded and rendered.
Start reading with `ledger/postings.py`.
"""

from typing import Final

from projections.ledger import Ledger
from projections.payments import Payments
from projections.projection import Projection

PROJECTIONS: Final[tuple[Projection, ...]] = (Ledger(), Payments())

__all__ = ["PROJECTIONS", "Projection"]
