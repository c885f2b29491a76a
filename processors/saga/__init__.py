"""The payment saga: asks PSPs for what merchants asked us, and does not rest until it knows what became of it.

`decisions.py` and `ladder.py` decide (pure: event → steps to take; reply → what next), `steps.py` is the table that
makes the steps survive anything, `scheduler.py` feeds it from the log, `workers.py` claims and runs what is due, with
`attempts.py` for calls of a PSP and `timers.py` for expiry and availability; `payment_saga.py` holds them together and
`redrive.py` lists and repeats what failed. May import `aggregates`, `event_store`, `processors.psp`, `schemas`. Start
reading with `decisions.py`.
"""
