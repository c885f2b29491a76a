"""A real PostgreSQL and a real Apache Kafka on this machine, without Docker and without touching anything outside.

`servers` starts both and is where to begin; `postgres` and `kafka` each know one server, `kafka_jars` and `java` where
Kafka's parts come from, `child` how a process is started, recognised and ended. On top of them, `plan` says what a
whole installation runs, `supervisor` keeps it alive, `installation` ends it from outside and `state` remembers it. Of
our folders it imports only `bootstrap.settings` and `bootstrap.clock`.
"""


class LocalStackError(Exception):
    """Something on this machine keeps the local stack from running; the message tells the operator what."""
