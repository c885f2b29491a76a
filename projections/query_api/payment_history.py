"""`GET /v1/payment_intents/{id}/events`: all that ever happened to one payment intent, straight from the log."""

from typing import Any, Final
from uuid import UUID

from projections.query_api.cursors import Cursors, Place
from projections.query_api.event_resources import event_resource
from projections.query_api.pages import page
from projections.query_api.parameters import CURSOR, LIMIT, MIN_POSITION, QueryParameters
from projections.query_api.reading import QueryServices, reading
from projections.query_api.visibility import covered_shards, require_visible
from schemas.envelope import decode_envelope
from schemas.errors import NotFound
from schemas.identifiers import MalformedId, Prefix, parse_public_id, shard_of
from schemas.records import Record
from schemas.routes import Answer, Call

PARAMETERS: Final = (LIMIT, CURSOR, MIN_POSITION)
_FIRST: Final = """
    SELECT metadata FROM events WHERE shard = $1 AND stream_id = $2 AND version = 1 AND type = 'PaymentIntentCreated'
"""
_EVENTS: Final = """
    SELECT position, version, event_id, type, payload, metadata, record_hash, recorded_at FROM events
    WHERE shard = $1 AND stream_id = $2 AND version > $3::bigint ORDER BY version LIMIT $4
"""


async def list_events(services: QueryServices, call: Call) -> Answer:
    """The events of one payment intent, first to last.

    Raises:
        NotFound: there is no such intent, or it is another merchant's.
        LivemodeMismatch: it is the caller's, but of the other mode.
    """
    parameters = QueryParameters(call, PARAMETERS)
    cursors, limit = Cursors(call, parameters), parameters.limit()
    after = cursors.after()
    intent_id = _intent_id(services, call)
    shard = shard_of(intent_id)
    async with reading(services, call, "payments", [shard]) as snapshot:
        first = await snapshot.connection.fetchval(_FIRST, shard, intent_id)
        if first is None:
            raise NotFound("There is no such payment intent.")
        envelope = decode_envelope(first)
        require_visible(call.principal, envelope.merchant_id, envelope.livemode)
        rows = await snapshot.connection.fetch(_EVENTS, shard, intent_id, after[1] if after else 0, limit + 1)
        records = [_record(shard, intent_id, row) for row in rows]
        return page(snapshot, cursors, [(_place(record), record) for record in records], limit, _event)


def _intent_id(services: QueryServices, call: Call) -> UUID:
    try:
        intent_id = parse_public_id(Prefix.PAYMENT_INTENT, call.path_params["id"])
    except MalformedId:
        raise NotFound("There is no such payment intent.") from None
    if shard_of(intent_id) not in covered_shards(services, call.principal):
        raise NotFound("There is no such payment intent.")
    return intent_id


def _record(shard: int, intent_id: UUID, row: Any) -> Record:
    return Record(shard=shard, stream_id=intent_id, command_key=None, request_hash=None, **row)


def _place(record: Record) -> Place:
    # A stream's versions are dense and its own: they are what its history is paged by.
    return record.shard, record.version, 0


def _event(record: Record) -> Any:
    return event_resource(record.decoded())
