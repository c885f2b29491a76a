-- Read models: how far each has come, which generation readers use, and the tables of a generation.
--
-- A generation is a schema of its own (ledger_1, payments_1), so that one can be rebuilt beside another and readers
-- switched over by changing one row. All times are Unix milliseconds, all amounts minor units.

SET LOCAL ROLE guilder_owner;

CREATE TABLE checkpoints (
    projection text NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    shard integer NOT NULL,
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    PRIMARY KEY (projection, generation, shard)
) WITH (fillfactor = 10);
COMMENT ON TABLE checkpoints IS
    'How far each consumer of the log has come in each shard; moves in the same transaction as what it guards.';
COMMENT ON COLUMN checkpoints.projection IS 'Which consumer: a read model''s name, or payment_saga.';
COMMENT ON COLUMN checkpoints.generation IS 'Which generation of it; a consumer that has none stays at 1.';
COMMENT ON COLUMN checkpoints.shard IS 'The shard of the log.';
COMMENT ON COLUMN checkpoints.position IS 'Last position of the shard that has been applied; 0 when none has.';

CREATE TABLE live (
    projection text PRIMARY KEY,
    generation integer NOT NULL CHECK (generation > 0)
);
COMMENT ON TABLE live IS 'Which generation of a projection its readers use and the projector feeds.';

CREATE TABLE halted_shards (
    projection text NOT NULL,
    shard integer NOT NULL,
    position bigint NOT NULL,
    reason text NOT NULL,
    since bigint NOT NULL,
    PRIMARY KEY (projection, shard)
);
COMMENT ON TABLE halted_shards IS
    'Shards that a consumer of the log has stopped at: nothing is skipped, a person redrives them.';
COMMENT ON COLUMN live.projection IS 'The read model''s name.';
COMMENT ON COLUMN live.generation IS 'The number behind its schema''s name.';
COMMENT ON COLUMN halted_shards.projection IS 'Which consumer stopped.';
COMMENT ON COLUMN halted_shards.shard IS 'The shard it stopped at.';
COMMENT ON COLUMN halted_shards.reason IS 'What went wrong, in its own words.';
COMMENT ON COLUMN halted_shards.position IS 'The position that could not be applied.';
COMMENT ON COLUMN halted_shards.since IS 'When the shard was halted, Unix milliseconds.';

GRANT SELECT, INSERT, UPDATE, DELETE ON checkpoints, live, halted_shards TO guilder_projections;
GRANT SELECT, INSERT, UPDATE, DELETE ON checkpoints, halted_shards TO guilder_app;
GRANT SELECT ON live TO guilder_app;

-- Switching a projection's generation excludes every transaction that applies events to it, by an advisory lock and
-- not by a row lock, which would write the row of `live` at each batch of each shard.
CREATE FUNCTION lock_checkpoints(p_shard integer, p_projections text[])
RETURNS TABLE (projection text, generation integer, "position" bigint)
LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('guilder/live', 0));
    IF (SELECT count(*) FROM live l JOIN checkpoints c USING (projection, generation)
        WHERE l.projection = ANY (p_projections) AND c.shard = p_shard) < cardinality(p_projections)
    THEN
        INSERT INTO checkpoints (projection, generation, shard)
        SELECT l.projection, l.generation, p_shard FROM live l WHERE l.projection = ANY (p_projections)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN QUERY
        SELECT c.projection, c.generation, c.position
        FROM live l JOIN checkpoints c USING (projection, generation)
        WHERE l.projection = ANY (p_projections) AND c.shard = p_shard
        ORDER BY c.projection
        FOR UPDATE OF c;
END
$function$;
COMMENT ON FUNCTION lock_checkpoints IS
    'Lock and return the live checkpoints of one shard: the first statement of a transaction that applies events.';

-- The position that stood at a time: recorded_at never falls along a shard, so a binary search over the dense
-- positions finds it without an index of its own.
CREATE FUNCTION position_at(p_shard integer, p_recorded_until bigint)
RETURNS bigint
LANGUAGE plpgsql STABLE AS $function$
DECLARE
    low bigint := 0;
    high bigint := coalesce((SELECT h.position FROM heads h WHERE h.shard = p_shard), 0);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT e.recorded_at FROM events e WHERE e.shard = p_shard AND e.position = middle) <= p_recorded_until THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END
$function$;
COMMENT ON FUNCTION position_at IS 'The last position of a shard that was recorded at or before a time (Unix ms); 0 for none.';

CREATE FUNCTION refuse_projection_change()
RETURNS trigger
LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: its rows are written once', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$function$;

COMMENT ON FUNCTION refuse_projection_change() IS 'Refuses changes of rows that are written once, whoever asks.';

CREATE FUNCTION refuse_unbalanced_entries()
RETURNS trigger
LANGUAGE plpgsql AS $function$
DECLARE
    wrong record;
BEGIN
    SELECT f.shard, f.position, f.transaction_line, sum(f.amount) AS off INTO wrong
    FROM fresh f GROUP BY f.shard, f.position, f.transaction_line HAVING sum(f.amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction %:%:% is off by %', wrong.shard, wrong.position, wrong.transaction_line, wrong.off
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION refuse_unbalanced_entries() IS
    'Refuses a transaction whose entries do not sum to zero; all its entries come in one statement.';

CREATE FUNCTION create_ledger_generation(p_generation integer)
RETURNS void
LANGUAGE plpgsql AS $function$
DECLARE
    ddl text := $ddl$
CREATE SCHEMA {schema};

CREATE TABLE {schema}.accounts (
    shard integer NOT NULL,
    account uuid NOT NULL,
    livemode boolean NOT NULL,
    currency text NOT NULL,
    code text NOT NULL,
    party text NOT NULL,
    position bigint NOT NULL,
    line smallint NOT NULL,
    PRIMARY KEY (shard, account),
    UNIQUE (shard, party, livemode, code, currency),
    UNIQUE (shard, position, line)
);
COMMENT ON TABLE {schema}.accounts IS 'The books of each shard; (position, line) is the entry that opened the account.';
COMMENT ON COLUMN {schema}.accounts.account IS 'Derived from shard, mode, currency, code and party: the same in every generation.';
COMMENT ON COLUMN {schema}.accounts.code IS 'One of the nine codes of the chart of accounts.';
COMMENT ON COLUMN {schema}.accounts.party IS 'A PSP''s name, a merchant''s public id, or empty.';

CREATE TABLE {schema}.transactions (
    shard integer NOT NULL,
    position bigint NOT NULL,
    line smallint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    rule text NOT NULL,
    livemode boolean NOT NULL,
    currency text NOT NULL,
    merchant_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    subject uuid NOT NULL,
    reverses text,
    recorded_at bigint NOT NULL,
    effective_at bigint NOT NULL,
    PRIMARY KEY (shard, position, line)
);
CREATE INDEX ON {schema}.transactions (shard, stream_id, position);
COMMENT ON TABLE {schema}.transactions IS 'One for each rule that an event sets off; `line` is the first of its entries.';
COMMENT ON COLUMN {schema}.transactions.rule IS 'The row of the posting table.';
COMMENT ON COLUMN {schema}.transactions.subject IS 'The capture, refund, operation or intent that the money belongs to.';
COMMENT ON COLUMN {schema}.transactions.reverses IS
    'The rule of the earlier transaction, of the same stream and subject, that this one takes back.';
COMMENT ON COLUMN {schema}.transactions.recorded_at IS 'When the log learned of it, Unix ms.';
COMMENT ON COLUMN {schema}.transactions.effective_at IS 'When it holds in the world, Unix ms.';

CREATE TABLE {schema}.entries (
    shard integer NOT NULL,
    position bigint NOT NULL,
    line smallint NOT NULL,
    transaction_line smallint NOT NULL,
    account uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    debits bigint NOT NULL,
    credits bigint NOT NULL,
    recorded_at bigint NOT NULL,
    effective_at bigint NOT NULL,
    PRIMARY KEY (shard, position, line)
);
CREATE INDEX ON {schema}.entries (shard, account, position, line);
COMMENT ON TABLE {schema}.entries IS 'The lines of the transactions; those of one transaction sum to zero.';
COMMENT ON COLUMN {schema}.entries.transaction_line IS 'The line by which its transaction is known.';
COMMENT ON COLUMN {schema}.entries.amount IS 'Minor units: a debit above zero, a credit below.';
COMMENT ON COLUMN {schema}.entries.debits IS 'All that the account was debited up to and with this entry.';
COMMENT ON COLUMN {schema}.entries.credits IS 'All that the account was credited up to and with this entry.';

CREATE TABLE {schema}.balances (
    shard integer NOT NULL,
    account uuid NOT NULL,
    position bigint NOT NULL,
    debits bigint NOT NULL,
    credits bigint NOT NULL,
    PRIMARY KEY (shard, account)
) WITH (fillfactor = 50);
COMMENT ON TABLE {schema}.balances IS 'What each account holds now: the running totals of its last entry.';

CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_projection_change();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_projection_change();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_projection_change();
CREATE TRIGGER never_shrinks BEFORE DELETE OR TRUNCATE ON {schema}.balances
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_projection_change();
ALTER TABLE {schema}.accounts ENABLE ALWAYS TRIGGER insert_only;
ALTER TABLE {schema}.transactions ENABLE ALWAYS TRIGGER insert_only;
ALTER TABLE {schema}.entries ENABLE ALWAYS TRIGGER insert_only;
ALTER TABLE {schema}.balances ENABLE ALWAYS TRIGGER never_shrinks;
CREATE TRIGGER sums_to_zero AFTER INSERT ON {schema}.entries REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced_entries();
$ddl$;
BEGIN
    EXECUTE replace(ddl, '{schema}', format('%I', 'ledger_' || p_generation));
END
$function$;
COMMENT ON FUNCTION create_ledger_generation IS 'Make the empty tables of one generation of the ledger, owned by the caller.';

CREATE FUNCTION create_payments_generation(p_generation integer)
RETURNS void
LANGUAGE plpgsql AS $function$
DECLARE
    ddl text := $ddl$
CREATE SCHEMA {schema};

CREATE TABLE {schema}.payment_intents (
    shard integer NOT NULL,
    stream_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    livemode boolean NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    reference text,
    created_at bigint NOT NULL,
    created_position bigint NOT NULL,
    position bigint NOT NULL,
    version bigint NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (shard, stream_id),
    UNIQUE (shard, created_position)
) WITH (fillfactor = 70);
CREATE INDEX ON {schema}.payment_intents (shard, merchant_id, livemode, created_position);
CREATE INDEX ON {schema}.payment_intents (shard, merchant_id, reference, created_position) WHERE reference IS NOT NULL;
COMMENT ON TABLE {schema}.payment_intents IS 'Each payment intent as its own aggregate folds it; the columns are what lists filter by.';
COMMENT ON COLUMN {schema}.payment_intents.created_at IS 'When the log learned of its creation, Unix ms.';
COMMENT ON COLUMN {schema}.payment_intents.created_position IS 'Where its first event stands: what lists are ordered by.';
COMMENT ON COLUMN {schema}.payment_intents.position IS 'Where its last event stands.';
COMMENT ON COLUMN {schema}.payment_intents.state IS 
    'The folded state (MessagePack): what the next event is folded onto, and the public object rendered from.';

CREATE TABLE {schema}.refunds (
    shard integer NOT NULL,
    refund_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (shard, refund_id)
);
COMMENT ON TABLE {schema}.refunds IS 'Which payment intent a refund belongs to.';
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.refunds
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_projection_change();
$ddl$;
BEGIN
    EXECUTE replace(ddl, '{schema}', format('%I', 'payments_' || p_generation));
    BEGIN
        EXECUTE format('ALTER TABLE %I.payment_intents ALTER COLUMN state SET COMPRESSION lz4', 'payments_' || p_generation);
    EXCEPTION WHEN feature_not_supported THEN
        NULL; -- this server was built without lz4: its default compresses too, only slower
    END;
END
$function$;
COMMENT ON FUNCTION create_payments_generation IS
    'Make the empty tables of one generation of the payments view, owned by the caller.';

RESET ROLE;

-- Generations are made and dropped by the projections' own role.
DO $do$
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO guilder_projections', current_database());
END
$do$;
SET LOCAL ROLE guilder_projections;
SELECT create_ledger_generation(1);
SELECT create_payments_generation(1);
INSERT INTO live (projection, generation) VALUES ('ledger', 1), ('payments', 1);
RESET ROLE;
