"""One page of a list, from one row more than it shows."""

from collections.abc import Callable, Sequence
from typing import Any

from projections.query_api.cursors import Cursors, Place
from projections.query_api.reading import Reading
from schemas.resources import ListResource
from schemas.routes import Answer


def page(
    snapshot: Reading, cursors: Cursors, found: Sequence[tuple[Place, Any]], limit: int, render: Callable[[Any], Any]
) -> Answer:
    """The first `limit` of `found`, rendered; that there are more of them is what `has_more` says."""
    shown, more = found[:limit], len(found) > limit
    body: ListResource[Any] = ListResource(
        data=tuple([render(row) for _, row in shown]),
        has_more=more,
        next_cursor=cursors.at(shown[-1][0]) if more else None,
    )
    return Answer(status=200, body=body, headers=snapshot.headers())
