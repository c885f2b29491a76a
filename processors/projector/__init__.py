"""The projector: what the log consumer does with records to keep the read models current.

Start reading with `projector.py`; how events are cut and applied is in `projections/checkpoints.py`.
"""

from processors.projector.projector import Projector, open_pool

__all__ = ["Projector", "open_pool"]
