"""What accounts held, now or at any position or effective time, as one query that others narrow."""

from typing import Any, Final

from projections.projection import sql_text
from projections.query_api.reading import Reading

_QUERY: Final = sql_text("projections.query_api", "account_totals.sql")
_NOW: Final = "SELECT b.debits, b.credits FROM {schema}.balances b WHERE b.shard = a.shard AND b.account = a.account"
_THEN: Final = """
    SELECT e.debits, e.credits FROM {schema}.entries e
    WHERE e.shard = a.shard AND e.account = a.account AND e.position <= v.upto
    ORDER BY e.position DESC, e.line DESC LIMIT 1
"""
_EFFECTIVE: Final = """
    SELECT coalesce(sum(greatest(e.amount, 0)), 0)::bigint AS debits, coalesce(sum(greatest(-e.amount, 0)), 0)::bigint AS credits
    FROM {schema}.entries e
    WHERE e.shard = a.shard AND e.account = a.account AND e.position <= v.upto AND e.effective_at <= effective.until
"""


def account_totals(reading: Reading, effective_until: int | None) -> tuple[str, list[Any]]:
    """A query over every account that stood at the reading's `as_of`, and its first three arguments.

    Its rows are shard, account, livemode, currency, code, party, position and line (of its opening), debits, credits.
    """
    now_or_then = _THEN if reading.past else _NOW
    totals = now_or_then if effective_until is None else _EFFECTIVE
    query = _QUERY.replace("{totals}", totals).replace("{schema}", reading.schema)
    return query, [*reading.vector(), effective_until]
