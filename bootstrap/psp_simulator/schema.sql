-- The simulator's whole state. Amounts are integer minor units, times simulated milliseconds since 1970 UTC.
CREATE TABLE IF NOT EXISTS operations (
  id                TEXT PRIMARY KEY,
  kind              TEXT NOT NULL,
  payment_id        TEXT NOT NULL,
  reference         TEXT NOT NULL UNIQUE,
  idempotency_key   TEXT NOT NULL,
  scenario          TEXT NOT NULL,
  script            TEXT NOT NULL,
  amount            INTEGER NOT NULL,
  currency          TEXT NOT NULL,
  sale              INTEGER NOT NULL,
  final             INTEGER NOT NULL,
  created_ms        INTEGER NOT NULL,
  -- What moves after the row was written:
  status            TEXT NOT NULL,
  fee               INTEGER,
  decline           TEXT,
  processed_ms      INTEGER,
  due_ms            INTEGER,
  capture_before_ms INTEGER,
  -- The money of a payment; `released` of a capture is what its `final` let go.
  authorized        INTEGER NOT NULL,
  captured          INTEGER NOT NULL,
  capture_pending   INTEGER NOT NULL,
  released          INTEGER NOT NULL,
  release_pending   INTEGER NOT NULL,
  refunded          INTEGER NOT NULL,
  refund_pending    INTEGER NOT NULL,
  CHECK (kind <> 'payment' OR captured + capture_pending + released + release_pending <= authorized),
  CHECK (kind <> 'payment' OR refunded + refund_pending <= captured),
  CHECK (min(authorized, captured, capture_pending, released, release_pending, refunded, refund_pending) >= 0)
) STRICT;

CREATE INDEX IF NOT EXISTS operations_due ON operations (due_ms) WHERE due_ms IS NOT NULL;

CREATE INDEX IF NOT EXISTS operations_open_hold ON operations (capture_before_ms)
  WHERE kind = 'payment' AND status = 'authorized'
    AND authorized > captured + capture_pending + released + release_pending;

-- An answer kept for repeats of its key; `status` 0 marks a key that was seen and not answered.
CREATE TABLE IF NOT EXISTS keys (
  idempotency_key TEXT PRIMARY KEY,
  request_sha256  BLOB NOT NULL,
  status          INTEGER NOT NULL,
  body            BLOB NOT NULL,
  created_ms      INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS keys_created ON keys (created_ms);

CREATE TABLE IF NOT EXISTS tombstones (
  reference  TEXT PRIMARY KEY,
  created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS log (
  seq             INTEGER PRIMARY KEY,
  at_ms           INTEGER NOT NULL,
  operation       TEXT NOT NULL,
  id              TEXT NOT NULL,
  reference       TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  amount          INTEGER NOT NULL,
  currency        TEXT,
  result          TEXT NOT NULL,
  fee             INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS clock (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  real_ms      INTEGER NOT NULL,
  simulated_ms INTEGER NOT NULL,
  scale        REAL NOT NULL
) STRICT;
