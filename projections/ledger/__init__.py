"""The double-entry ledger: the posting table, the chart of accounts, and how they become rows.

It imports `schemas` and nothing else of ours. Start reading with `postings.py`, the table itself.
"""

from projections.ledger.ledger import Ledger
from projections.ledger.postings import LedgerTransaction, Line, post

__all__ = ["Ledger", "LedgerTransaction", "Line", "post"]
