"""A real PostgreSQL and a real Apache Kafka on this machine, without Docker and without touching anything outside.

`servers` starts both and is where to begin; `postgres` and `kafka` each know one server, `kafka_jars` and `java` where
Kafka's parts come from, `child` how a process is started, recognised and ended. `supervisor` keeps a whole
installation alive on top of them. Of our folders it imports only `bootstrap.settings` and `bootstrap.clock`.
"""
