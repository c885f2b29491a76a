"""What an event store is told when it is opened."""

import msgspec


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one process's store; times carry their unit, the other figures are counts.

    `shards` is what the process is configured with: a database with another number is refused (null: whatever the
    database says). `queue_limit` bounds the commands that wait for a flush, `batch_limit` those of one flush,
    `cached_bytes` the streams that are kept in memory, by what they take in the log. A statement that exceeds its
    timeouts is given up by the server; a lost connection is sought again for `reconnect_deadline_s` before callers hear
    `ShardUnavailable`; those who call while the server stays away hear it after one attempt.
    """

    dsn: str
    shards: int | None = None
    queue_limit: int = 4096
    batch_limit: int = 256
    statement_timeout_ms: int = 5_000
    lock_timeout_ms: int = 2_000
    connect_timeout_s: float = 5.0
    reconnect_deadline_s: float = 10.0
    read_connections: int = 4
    cached_bytes: int = 24 * 1024 * 1024
    conflict_retries: int = 16
    notify_interval_ms: int = 5
    poll_interval_ms: int = 50
