-- Every generation goes; all of them can be rebuilt from the log.
DO $do$
DECLARE
    generation text;
BEGIN
    FOR generation IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^(ledger|payments)_[0-9]+$' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', generation);
    END LOOP;
    EXECUTE format('REVOKE CREATE ON DATABASE %I FROM guilder_projections', current_database());
END
$do$;

DROP FUNCTION create_payments_generation(integer);
DROP FUNCTION create_ledger_generation(integer);
DROP FUNCTION refuse_unbalanced_entries();
DROP FUNCTION refuse_projection_change();
DROP FUNCTION position_at(integer, bigint);
DROP FUNCTION lock_checkpoints(integer, text[]);
DROP TABLE halted_shards;
DROP TABLE live;
DROP TABLE checkpoints;
