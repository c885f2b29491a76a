"""The payment saga: asks PSPs for what merchants asked us, and does not rest until it knows what became of it.

`decisions.py` and `ladder.py` decide (pure: event → steps to take; reply → what next), `steps.py` is the table that
makes the steps survive anything, `scheduler.py` feeds it from the log, `workers.py` claims and runs what is due, with
`attempts.py` for calls of a PSP (`orders.py` says what is asked, `outcomes.py` what was answered, `telling.py` writes it
to the log) and `timers.py` for expiry and availability; `payment_saga.py` holds them together, `redrive.py` lists and
repeats what failed. May import `aggregates`, `event_store`, `schemas` and its neighbours in `processors`. Start reading
with `decisions.py`.
"""
