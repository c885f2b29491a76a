"""The ledger as a projection: the transactions of the posting table, appended to accounts, entries and balances."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from projections.ledger.accounts import account_id
from projections.ledger.postings import RULES, LedgerTransaction, post
from projections.projection import DigestedTable, sql_text
from schemas.records import RecordedEvent

_APPEND: Final = sql_text("projections.ledger", "append.sql")


class Ledger:
    """Double-entry books of each shard, in integer minor units, zero-sum at every position (design section 10)."""

    name: Final = "ledger"
    event_types: Final = frozenset(event.__name__ for event in RULES)
    digested: Final = (
        DigestedTable("accounts", "position, line"),
        DigestedTable("transactions", "position, line"),
        DigestedTable("entries", "position, line"),
        DigestedTable("balances", "account"),
    )

    async def apply(self, connection: Any, schema: str, events: Sequence[RecordedEvent]) -> None:
        """Post events.

        Raises:
            AssertionError: an event whose lines do not sum to zero.
            asyncpg.UniqueViolationError: an event that has been posted before.
        """
        batch = _Batch()
        for recorded in events:
            transactions = post(recorded)
            if transactions:
                batch.add(recorded, transactions)
        if batch.transactions:
            await connection.execute(_APPEND.format(schema=schema), *batch.arguments())


class _Batch:
    """The rows of one statement, turned into the columns that `append.sql` unnests."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, int, int, UUID, int, int, int]] = []
        self.accounts: dict[tuple[int, UUID], tuple[int, UUID, bool, str, str, str, int, int]] = {}
        self.transactions: list[tuple[Any, ...]] = []

    def add(self, recorded: RecordedEvent, transactions: Sequence[LedgerTransaction]) -> None:
        """Number the lines of one event from 1 and keep the rows they become."""
        envelope, shard, position = recorded.envelope, recorded.shard, recorded.position
        livemode = envelope.livemode
        assert livemode is not None, f"event {recorded.event_id} moves money of no mode"
        recorded_at, effective_at, event_type = (
            recorded.recorded_at,
            envelope.effective_at,
            type(recorded.event).__name__,
        )
        number = 0
        for transaction in transactions:
            first, currency = number + 1, transaction.currency
            self.transactions.append(
                (
                    shard,
                    position,
                    first,
                    recorded.event_id,
                    event_type,
                    transaction.rule,
                    livemode,
                    currency,
                    envelope.merchant_id,
                    recorded.stream_id,
                    transaction.subject,
                    transaction.reverses,
                    recorded_at,
                    effective_at,
                )
            )
            for line in transaction.lines:
                number += 1
                account = account_id(shard, livemode, currency, line.account)
                self.entries.append((shard, position, number, first, account, line.amount, recorded_at, effective_at))
                if (shard, account) not in self.accounts:
                    code, party = line.account.code, line.account.party
                    self.accounts[shard, account] = (shard, account, livemode, currency, code, party, position, number)

    def arguments(self) -> list[Any]:
        """The columns of entries, accounts and transactions."""
        tables = (self.entries, self.accounts.values(), self.transactions)
        return [column for rows in tables for column in zip(*rows, strict=True)]
