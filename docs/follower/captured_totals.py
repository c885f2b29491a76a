"""A follower of the log, written with the `eventsourcing` library: what was captured, by currency.

It runs in a process of its own, reads one shard through the bridge and keeps its view in memory; on a restart it reads
the shard again from the start. Give the view a tracking recorder that stores, and it goes on where it was.
"""

import os
from collections import Counter
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Tracking
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner

from event_store.bridge import LogEvent
from schemas.events import PaymentCaptured, PaymentIntentCreated


class Log(Application[UUID]):
    """One shard of the platform's log, seen as an application; it only reads, since it names no merchant."""

    env = {  # noqa: RUF012 - the library's own way to configure an application
        "LOG_PERSISTENCE_MODULE": "event_store.bridge",
        "LOG_MAPPER_TOPIC": "event_store.bridge:FrameMapper",
    }


class Totals(POPOTrackingRecorder):
    """The view: minor units captured, by currency, and how far the log has been followed."""

    def __init__(self) -> None:
        super().__init__()
        self.currencies: dict[UUID, str] = {}
        self.captured: Counter[str] = Counter()


class CapturedTotals(Projection[Totals]):
    """Folds two kinds of events into the view; of all others it only notes that they came by.

    The library could have the database leave them out (`topics`), but then nobody hears that the newest was reached.
    """

    def process_event(self, domain_event: LogEvent, tracking: Tracking) -> None:
        """Take one event in, and note that it was."""
        match domain_event.event:
            case PaymentIntentCreated(currency=currency):
                self.view.currencies[domain_event.originator_id] = currency
            case PaymentCaptured(amount=amount):
                self.view.captured[self.view.currencies[domain_event.originator_id]] += amount
        self.view.insert_tracking(tracking)


def follow() -> ProjectionRunner[Log, Totals]:
    """Start following the shard that `GUILDER_SHARD` names; use it in a `with` statement."""
    return ProjectionRunner(
        application_class=Log, projection_class=CapturedTotals, view_class=Totals, env=dict(os.environ)
    )
