"""The pure domain: what may happen to a payment intent and to a merchant, and what it means when it has.

Each aggregate is a package of commands, `decide` (command + state → events, or the refusal that says why not),
`evolve` (state + event → state) and `resource` (state → public object). It imports only `schemas` and msgspec and knows
no clock, id generator, database or framework: whatever a decision needs is in its command. Start reading with
`payment_intent/commands.py`, then `payment_intent/decisions.py`.
"""
