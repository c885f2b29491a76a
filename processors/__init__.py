"""What runs behind the log: the relay that copies it to Kafka, and the consumers that act on it.

Here live `relay`, `log_consumer` (the Faust host), `projector`, `saga` and the PSP adapters in `psp`. They may import
every folder of ours but `command_api` and `bootstrap`. Start reading with `relay/relay.py`, then `log_consumer/`.
"""
