"""What merchants are owed right now: all who ask in one moment share one statement, and what has not moved is not read again."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from projections.positions import position_text
from projections.projection import schema_name
from projections.query_api.ledger_resources import BalanceResource, CurrencyBalance
from projections.query_api.reading import QueryServices, connected
from schemas.identifiers import Prefix, public_id, shard_of
from schemas.routes import Answer

Asked = tuple[UUID, bool | None]
"""A merchant, and the mode that the caller may see; null: both."""

_PARTIES: Final = 10_000
_encoder: Final = msgspec.json.Encoder()

# One statement is one snapshot: its schema is the generation that was live a moment ago, so it says which one is live now.
# What is asked and what was found each come as one document, since the driver looks at each element and row in Python.
_MOVED: Final = """
    SELECT l.generation, (
        SELECT coalesce(json_agg(found), '[]')::text
        FROM (
            SELECT asked.number, coalesce(c.position, 0) AS position, coalesce(c.xmin::text::bigint, 0) AS written, (
                SELECT coalesce(json_agg(owed), '[]')
                FROM (
                    SELECT a.livemode, a.currency,
                        coalesce(sum(b.credits - b.debits) FILTER (WHERE a.code = 'merchant_pending'), 0)::bigint AS pending,
                        coalesce(sum(b.credits - b.debits) FILTER (WHERE a.code = 'merchant_available'), 0)::bigint AS available
                    FROM {schema}.accounts a JOIN {schema}.balances b USING (shard, account)
                    WHERE a.shard = asked.shard AND a.party = asked.party
                      AND a.code IN ('merchant_pending', 'merchant_available')
                      AND (asked.livemode IS NULL OR a.livemode = asked.livemode)
                    GROUP BY a.livemode, a.currency
                    ORDER BY a.livemode, a.currency
                ) owed
            ) AS balances
            FROM json_to_recordset($1::json)
                AS asked (number integer, shard integer, party text, livemode boolean, known bigint, written bigint)
            LEFT JOIN checkpoints c
                ON c.projection = l.projection AND c.generation = l.generation AND c.shard = asked.shard
            WHERE (coalesce(c.position, 0), coalesce(c.xmin::text::bigint, 0)) IS DISTINCT FROM (asked.known, asked.written)
        ) found
    ) AS moved
    FROM live l
    WHERE l.projection = 'ledger'
"""


class _Question(msgspec.Struct, frozen=True):
    """One of many merchants asked about in one statement; of the answer that is kept, if any, `known` is the position.

    `written` is the transaction that brought the shard there, as PostgreSQL numbers it: another may bring it there again,
    with other books, once a generation was made anew or the database restored.
    """

    number: int
    shard: int
    party: str
    livemode: bool | None
    known: int | None
    written: int | None


class _Moved(msgspec.Struct, frozen=True):
    """What was found for the question of this number, whose shard of the ledger stands at another position than known."""

    number: int
    position: int
    written: int
    balances: tuple[CurrencyBalance, ...]


class _Kept(msgspec.Struct, frozen=True):
    """The answer that held where one transaction had brought a generation of the ledger to a position of the shard."""

    generation: int
    position: int
    written: int
    answer: Answer


_moved: Final = msgspec.json.Decoder(list[_Moved])


class CurrentBalances:
    """Answers many merchants by one statement.

    An answer is kept and given again while the merchant's shard of the ledger has not moved, which each statement looks
    at anew: no answer is older than its question. Balances and the position they stand at are written in one transaction.
    """

    def __init__(self, services: QueryServices) -> None:
        self._services = services
        self._kept: OrderedDict[Asked, _Kept] = OrderedDict()

    async def __call__(self, asked: Sequence[Asked]) -> Mapping[Asked, Answer | None]:
        """The answer to each question, or null where the generation was switched since it was last seen."""
        nothing: dict[Asked, Answer | None] = dict.fromkeys(asked)
        generation = self._services.last_seen.get("ledger")
        if generation is None:
            return nothing
        known = [self._known(key, generation) for key in asked]
        questions = [_question(number, *each) for number, each in enumerate(zip(asked, known, strict=True))]
        query = _MOVED.format(schema=schema_name("ledger", generation))
        async with connected(self._services) as connection:
            try:
                row = await connection.fetchrow(query, _encoder.encode(questions).decode())
            except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
                return nothing
        if row["generation"] != generation:
            return nothing
        for moved in _moved.decode(row["moved"]):
            known[moved.number] = self._keep(asked[moved.number], generation, questions[moved.number], moved)
        return {key: None if each is None else each.answer for key, each in zip(asked, known, strict=True)}

    def _known(self, key: Asked, generation: int) -> _Kept | None:
        kept = self._kept.get(key)
        return kept if kept is not None and kept.generation == generation else None

    def _keep(self, key: Asked, generation: int, question: _Question, moved: _Moved) -> _Kept:
        body = BalanceResource(
            merchant_id=question.party,
            as_of=position_text({question.shard: moved.position}),
            effective_as_of=None,
            balances=moved.balances,
        )
        # Rendered once, for all who ask the same until it moves.
        answer = Answer(status=200, body=msgspec.Raw(_encoder.encode(body)), headers={"Guilder-Position": body.as_of})
        kept = self._kept[key] = _Kept(generation, moved.position, moved.written, answer)
        if len(self._kept) > self._services.kept_answers:
            self._kept.popitem(last=False)
        return kept


def _question(number: int, key: Asked, known: _Kept | None) -> _Question:
    merchant_id, livemode = key
    position, written = (None, None) if known is None else (known.position, known.written)
    return _Question(number, shard_of(merchant_id), _party(merchant_id), livemode, position, written)


@lru_cache(maxsize=_PARTIES)
def _party(merchant_id: UUID) -> str:
    """How the ledger names a merchant; the same ones ask all the time."""
    return public_id(Prefix.MERCHANT, merchant_id)
