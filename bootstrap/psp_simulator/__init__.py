"""A payment service provider to test against: a server of its own that keeps its promises, or breaks them on demand.

It imports none of the house's folders, is durable by itself (SQLite, `synchronous=FULL`: an answer leaves after its
commit), and its log is an independent witness of what was charged. Start reading at `scenarios.py` (what it can be
asked to do wrong), then `processing.py` (what an order does), `simulator.py` (keys and the clock) and `app.py`.

Wire
====
Amounts are integer minor units, times RFC 3339 in UTC of *simulated* time (`clock.py`), bodies JSON. `/v1` wants
`Authorization: Bearer KEY`, each POST there an `Idempotency-Key` (kept 24 h of simulated time):

- `POST /v1/payments` `{reference, amount, currency, capture?, return_url?, payment_method}`; `payment_method` is
  `{type: card, token}`, `{type: wallet, provider, token}`, `{type: upi, payer_vpa, flow?}` or
  `{type: netbanking, bank_code}`; `capture: true` is a sale.
- `POST /v1/payments/{id}/captures` `{reference, amount, final?}`; `final` lets go of the rest. `/refunds`
  `{reference, amount}`; `/voids` `{reference}` lets go of all that is not captured; `/actions` `{reference}` is
  refused, since no scenario asks for an action.
- `GET /v1/operations?reference=`: the operation as it is now, or 404, which proves nothing.
- `POST /v1/reversals` `{reference}`: of the operation to undo.

`reference` is the client's, unique for ever. The answer is `replies.OperationView`, with 200, or 202 while `pending`:
status `authorized | captured | declined | pending | reversed | expired` of a payment, `captured`, `refunded` or
`voided` of the others, which may be declined, pending and reversed likewise. A payment's status is the result of that
operation: a hold stays `authorized` when it is captured or voided later, and `amount_*` tell how it went on. It holds
for seven days (`capture_before`). The fee is 1.1 % of what is captured, rounded half up.

A reversal answers 200 with `replies.ReversalView`, status `voided`, `refunded` (its fee returned), `not_needed`, or
`tombstoned` (never seen: a later arrival is 409 `reference_tombstoned`). After each, the operation stands for nothing:
a reversed capture is on hold again. It is 409 `invalid_state` where later operations rest on the target.

The same key with the same body replays the first answer byte for byte (`Idempotent-Replayed: true`), with another body
it is 422 `idempotency_key_reused`, while the first is at work 409 `idempotency_key_in_flight`. Refusals below 500,
429 and 503 process nothing and leave their key free; a reference used before is 409 `reference_in_use` with the first
`operation`. A 500 tells nothing about what was done. Problems are RFC 9457 with `code` and, for bad fields,
`errors: [{pointer, code, detail}]`.

`/sim` (see `controls_api.py`), `/health/live`, `/health/ready` and `/metrics` need no key.
"""

from bootstrap.psp_simulator.app import create_app

__all__ = ["create_app"]
