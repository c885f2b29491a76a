-- The payment saga's memory: what has to be done next about an attempt, a hold or a capture, and who is doing it.
--
-- It is never rebuilt by replay: a finished step has called a PSP. All times are Unix milliseconds.

CREATE TABLE steps (
    subject uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('call', 'inquiry', 'reversal', 'expiry', 'availability')),
    try integer NOT NULL CHECK (try > 0),
    round integer NOT NULL CHECK (round > 0),
    shard integer NOT NULL,
    stream_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    target uuid,
    cause_id uuid NOT NULL,
    traceparent text,
    in_doubt boolean NOT NULL DEFAULT false,
    due_at bigint NOT NULL,
    ready_at bigint NOT NULL,
    lease_epoch integer NOT NULL DEFAULT 0,
    leased_by text,
    failures integer NOT NULL DEFAULT 0,
    error text,
    finished_at bigint,
    result text,
    PRIMARY KEY (subject, kind, try)
) WITH (fillfactor = 60);
CREATE INDEX steps_ready ON steps (ready_at) WHERE finished_at IS NULL;
CREATE INDEX steps_failed ON steps (shard, ready_at) WHERE finished_at IS NULL AND error IS NOT NULL;
COMMENT ON TABLE steps IS 'What the payment saga has to do, is doing and has done; one row for each try.';
COMMENT ON COLUMN steps.subject IS 'The attempt, the authorization''s operation or the capture that the step is about.';
COMMENT ON COLUMN steps.try IS 'Counts the steps of a subject from 1; with the subject it names what the log was told of it.';
COMMENT ON COLUMN steps.round IS 'Counts the tries of this kind in a row from 1: the rung of the ladder.';
COMMENT ON COLUMN steps.target IS 'The attempt whose late success a reversal undoes; null for all else.';
COMMENT ON COLUMN steps.cause_id IS 'The event that made the step necessary.';
COMMENT ON COLUMN steps.in_doubt IS 'An earlier call of this attempt may have reached the PSP without telling what it did.';
COMMENT ON COLUMN steps.due_at IS 'When the step should be taken.';
COMMENT ON COLUMN steps.ready_at IS 'When it may be claimed: due, or a lease''s end, or the end of a failure''s back-off.';
COMMENT ON COLUMN steps.lease_epoch IS 'Counts the claims; whoever finishes a step shows the epoch it was given.';
COMMENT ON COLUMN steps.leased_by IS 'Who claimed it last; null once it failed, until somebody claims it again.';
COMMENT ON COLUMN steps.error IS 'Why the step failed last; the step is tried again all the same.';

CREATE TABLE saga_cases (
    case_id uuid PRIMARY KEY,
    shard integer NOT NULL,
    position bigint NOT NULL,
    stream_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    operation_id uuid,
    event_id uuid NOT NULL,
    exposure bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    opened_at bigint NOT NULL,
    closed_at bigint
);
CREATE INDEX saga_cases_open ON saga_cases (stream_id) WHERE closed_at IS NULL;
COMMENT ON TABLE saga_cases IS 'Questions for a person, as the log has them; closed once the PSP''s answer stands in the log.';
COMMENT ON COLUMN saga_cases.position IS 'Where the log opened it.';
COMMENT ON COLUMN saga_cases.exposure IS 'Minor units at stake.';

ALTER TABLE steps OWNER TO guilder_owner;
ALTER TABLE saga_cases OWNER TO guilder_owner;
GRANT SELECT, INSERT, UPDATE ON steps, saga_cases TO guilder_app;
