"""The published language: everything that crosses a border of the house, as frozen values.

Here live the Avro events with their mirror types, the wire frame and the registry lock, ids, money, the public HTTP
resources and the root of every expected error; and what both the log and the read models need and neither may take from
the other (`clock.py`, `tick_batch.py`). It imports none of our folders, and of third parties only fastavro and
msgspec. Start reading with `events/payment_intent.py`: the words this platform speaks.
"""
