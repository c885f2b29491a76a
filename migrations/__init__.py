"""The database's shape as plain SQL: `NNNN_name.up.sql` and its `.down.sql`, applied in order, each in a transaction.

It imports none of our folders. A file is written once: its SHA-256 is recorded when it is applied, and a database that
was built from another text is refused. Files run as the migrating user; `SET LOCAL ROLE guilder_owner` in a file gives
what it creates to the owner of the log. Start reading with `0001_event_store.up.sql`.
"""

from migrations.runner import MigrationChanged, MigrationMissing, OtherNumberOfShards, migrate, rollback

__all__ = ["MigrationChanged", "MigrationMissing", "OtherNumberOfShards", "migrate", "rollback"]
