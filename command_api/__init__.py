"""Commands over HTTP, and one payment as it is now: decode, authenticate, build the command, execute, render.

It may import `aggregates`, `event_store` and `schemas`, and never reads a projection. Start reading with `routes.py`,
the table of endpoints, then `payment_intents.py` and `operations.py`, where a command becomes durable, waits for its
outcome and is answered.
"""

from command_api.operations import CommandServices
from command_api.routes import ROUTES

__all__ = ["ROUTES", "CommandServices"]
