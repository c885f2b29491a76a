-- The log: events partitioned by shard, the head of each shard, and the one function that appends.

DO $roles$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['guilder_owner', 'guilder_app', 'guilder_projections'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- roles belong to the whole cluster: another installation has made it, perhaps this very moment
        END;
        IF NOT pg_has_role(wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$roles$;

DO $schema$
BEGIN
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO guilder_owner', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO guilder_app, guilder_projections', current_schema());
END
$schema$;

SET LOCAL ROLE guilder_owner;

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION '% on % is refused: what was recorded stays as it was recorded', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$function$;
COMMENT ON FUNCTION refuse_change() IS 'Refuses UPDATE, DELETE and TRUNCATE of what may only grow, whoever asks.';
REVOKE EXECUTE ON FUNCTION refuse_change() FROM PUBLIC;

CREATE TABLE installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    shards integer NOT NULL CHECK (shards BETWEEN 1 AND 4096),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE installation IS 'What was fixed when this installation was made; one row, written by create_shards.';
COMMENT ON COLUMN installation.only_one IS 'Always true: there is one row.';
COMMENT ON COLUMN installation.shards IS 'Number of shards, which is the number of Kafka partitions; never changes.';
COMMENT ON COLUMN installation.created_at IS 'When the shards were created.';

CREATE TABLE schema_registry (
    id integer PRIMARY KEY CHECK (id > 0),
    file text NOT NULL UNIQUE,
    sha256 bytea NOT NULL,
    definition text NOT NULL,
    CONSTRAINT schema_registry_hash_is_of_definition CHECK (sha256 = sha256(convert_to(definition, 'UTF8')))
);
COMMENT ON TABLE schema_registry IS 'A copy of schemas/registry.lock: which schema each id in a payload names.';
COMMENT ON COLUMN schema_registry.id IS 'The 4-byte id in the wire frame.';
COMMENT ON COLUMN schema_registry.file IS 'The .avsc file in the repository.';
COMMENT ON COLUMN schema_registry.sha256 IS 'SHA-256 of definition, 32 bytes; it enters every record hash.';
COMMENT ON COLUMN schema_registry.definition IS 'RFC 8785 JSON of the schema, references expanded.';

CREATE TABLE heads (
    shard integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 4095),
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    recorded_at bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10); -- room on the page keeps every update HOT: no index is touched, no bloat is left
COMMENT ON TABLE heads IS 'How far each shard has got. Its row lock is what makes positions dense and time monotonic.';
COMMENT ON COLUMN heads.shard IS 'The shard, which is the Kafka partition.';
COMMENT ON COLUMN heads.position IS 'Position of the shard''s newest event; 0 when it has none.';
COMMENT ON COLUMN heads.recorded_at IS 'recorded_at of the newest event, Unix milliseconds; the next is never below it.';

CREATE TABLE events (
    shard integer NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    stream_id uuid NOT NULL,
    version integer NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    payload bytea NOT NULL,
    metadata bytea NOT NULL,
    command_key uuid,
    request_hash bytea,
    record_hash bytea NOT NULL,
    recorded_at bigint NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (shard, position),
    CONSTRAINT events_version_key UNIQUE (shard, stream_id, version),
    CONSTRAINT events_version_from_one CHECK (version >= 1),
    CONSTRAINT events_type_named CHECK (octet_length(type) BETWEEN 1 AND 128),
    CONSTRAINT events_payload_framed
        CHECK (octet_length(payload) BETWEEN 5 AND 65536 AND get_byte(payload, 0) = 0),
    CONSTRAINT events_metadata_present CHECK (octet_length(metadata) BETWEEN 2 AND 65536),
    CONSTRAINT events_record_hash_length CHECK (octet_length(record_hash) = 32),
    CONSTRAINT events_request_hash_length CHECK (octet_length(request_hash) = 32)
) PARTITION BY LIST (shard);
CREATE UNIQUE INDEX events_command_key ON events (shard, command_key) WHERE command_key IS NOT NULL;
COMMENT ON TABLE events IS 'The log, and the only source of truth: each row a fact, inserted once and never touched again.';
COMMENT ON COLUMN events.shard IS 'The shard; one partition of the table and of the Kafka topic each.';
COMMENT ON COLUMN events.position IS 'Dense in the shard: 1, 2, 3 … A gap is corruption.';
COMMENT ON COLUMN events.stream_id IS 'The aggregate; its 12 rand_a bits hold the shard.';
COMMENT ON COLUMN events.version IS 'Dense in the stream: 1, 2, 3 …';
COMMENT ON COLUMN events.event_id IS 'UUIDv7 of the event.';
COMMENT ON COLUMN events.type IS 'Name of the event, such as PaymentCaptured.';
COMMENT ON COLUMN events.payload IS 'The bytes Kafka gets: 0x00, the schema id in 4 bytes big-endian, Avro binary; at most 64 KiB.';
COMMENT ON COLUMN events.metadata IS 'The envelope, RFC 8785 JSON in UTF-8; read it with convert_from(metadata, ''UTF8'')::jsonb.';
COMMENT ON COLUMN events.command_key IS 'On the first event of a command: the key under which it happens at most once.';
COMMENT ON COLUMN events.request_hash IS 'Beside command_key: SHA-256 of the request, so another request under the key is refused.';
COMMENT ON COLUMN events.record_hash IS 'SHA-256 over the record and the record_hash before it in the stream.';
COMMENT ON COLUMN events.recorded_at IS 'When the log learned of it, Unix milliseconds; never decreases along a shard.';
COMMENT ON CONSTRAINT events_pkey ON events IS 'One event at each position.';
COMMENT ON CONSTRAINT events_version_key ON events IS 'One event at each version of a stream.';
COMMENT ON INDEX events_command_key IS 'A command happens at most once.';

CREATE FUNCTION refuse_changes_to(relation regclass) RETURNS void
LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON %s '
        'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', relation);
    -- ALWAYS: it also fires for a session that has set session_replication_role.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_change', relation);
    EXECUTE format('COMMENT ON TRIGGER refuse_change ON %s IS %L', relation, 'This table only grows.');
END
$function$;
COMMENT ON FUNCTION refuse_changes_to(regclass) IS 'Lets a table only grow. A parent''s trigger does not guard its partitions.';
REVOKE EXECUTE ON FUNCTION refuse_changes_to(regclass) FROM PUBLIC;

SELECT refuse_changes_to('events'), refuse_changes_to('installation'), refuse_changes_to('schema_registry');

CREATE FUNCTION create_shards(wanted integer) RETURNS void
LANGUAGE plpgsql AS $function$
DECLARE
    existing integer := (SELECT shards FROM installation);
    part text;
BEGIN
    IF existing = wanted THEN
        RETURN;
    ELSIF existing IS NOT NULL THEN
        RAISE EXCEPTION 'this installation has % shards for good; % were asked for', existing, wanted
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO installation (shards) VALUES (wanted);
    FOR number IN 0 .. wanted - 1 LOOP
        part := format('events_%s', lpad(number::text, 4, '0'));
        EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES IN (%s)', part, number);
        EXECUTE format('COMMENT ON TABLE %I IS %L', part, format('The log of shard %s.', number));
        PERFORM refuse_changes_to(part::regclass);
        INSERT INTO heads (shard) VALUES (number);
    END LOOP;
END
$function$;
COMMENT ON FUNCTION create_shards(integer) IS
    'Makes the shards of a new installation, once: a partition and a head each. Another number later is refused.';
REVOKE EXECUTE ON FUNCTION create_shards(integer) FROM PUBLIC;

-- VOLATILE plpgsql, so that the statement after the lock takes a fresh snapshot: one statement that both waits for the
-- head and reads would decide on what it saw before it waited.
CREATE FUNCTION append_events(shards integer[], commands json, events json) RETURNS TABLE (command integer, outcome smallint, first_position bigint, first_event_id uuid, at_ms bigint)
LANGUAGE plpgsql VOLATILE
-- One generic plan for any number of commands, made of index probes however empty the tables were when it was made.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
    no_predecessor constant bytea := decode(repeat('00', 32), 'hex');
    now_ms bigint;
    unknown_shard integer;
BEGIN
    PERFORM FROM heads WHERE heads.shard = ANY (append_events.shards) ORDER BY heads.shard FOR UPDATE;
    now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);

    SELECT wanted INTO unknown_shard
    FROM unnest(append_events.shards) AS wanted
    WHERE NOT EXISTS (SELECT FROM heads WHERE heads.shard = wanted) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no shard %', unknown_shard USING ERRCODE = 'invalid_parameter_value';
    END IF;

    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT
            c.number, c.shard, c.stream_id, c.expected_version, c.command_key, c.request_hash, c.event_count,
            CASE
                WHEN done.event_id IS NOT NULL THEN 1
                WHEN tip.version IS NULL AND c.expected_version <= 0 AND c.expected_hash = no_predecessor THEN 0
                WHEN tip.version = c.expected_version AND tip.record_hash = c.expected_hash THEN 0
                ELSE 2
            END AS outcome,
            coalesce(done.position, tip.position) AS position,
            coalesce(done.event_id, tip.event_id) AS event_id,
            coalesce(done.recorded_at, tip.recorded_at) AS recorded_at
        FROM (
            SELECT
                number, shard, stream_id, expected_version, decode(expected_hash, 'base64') AS expected_hash,
                command_key, decode(request_hash, 'base64') AS request_hash, event_count
            FROM ROWS FROM (
                json_to_recordset(append_events.commands) AS (
                    shard integer, stream_id uuid, expected_version integer, expected_hash text,
                    command_key uuid, request_hash text, event_count integer
                )
            ) WITH ORDINALITY AS asked (
                shard, stream_id, expected_version, expected_hash, command_key, request_hash, event_count, number
            )
            OFFSET 0 -- each value is decoded once
        ) c
        LEFT JOIN LATERAL (
            SELECT e.position, e.event_id, e.recorded_at
            FROM events e
            WHERE e.shard = c.shard AND e.command_key = c.command_key
            LIMIT 1
        ) done ON true
        -- Of the expected version and the one after it, the newest: is the token still the stream's end?
        LEFT JOIN LATERAL (
            SELECT e.version, e.record_hash, e.position, e.event_id, e.recorded_at
            FROM events e
            WHERE e.shard = c.shard AND e.stream_id = c.stream_id
              AND e.version BETWEEN c.expected_version AND c.expected_version + 1
            ORDER BY e.version DESC
            LIMIT 1
        ) tip ON true
    ), placed AS MATERIALIZED (
        SELECT
            j.number, j.shard, j.stream_id, j.expected_version, j.command_key, j.request_hash, j.event_count,
            h.position + sum(j.event_count) OVER (PARTITION BY j.shard ORDER BY j.number) - j.event_count AS before,
            greatest(now_ms, h.recorded_at) AS recorded_at
        FROM judged j
        JOIN heads h ON h.shard = j.shard
        WHERE j.outcome = 0
    ), inserted AS (
        INSERT INTO events (
            shard, position, stream_id, version, event_id, type, payload, metadata,
            command_key, request_hash, record_hash, recorded_at
        )
        SELECT
            p.shard, p.before + e.number, p.stream_id, p.expected_version + e.number, e.event_id, e.type,
            decode(e.payload, 'base64'), decode(e.metadata, 'base64'), CASE WHEN e.number = 1 THEN p.command_key END,
            CASE WHEN e.number = 1 THEN p.request_hash END, decode(e.record_hash, 'base64'), p.recorded_at
        FROM json_to_recordset(append_events.events) AS e (
            command integer, number integer, event_id uuid, type text, payload text, metadata text, record_hash text
        )
        JOIN placed p ON p.number = e.command
    ), advanced AS (
        UPDATE heads h
        SET position = h.position + added.events, recorded_at = added.recorded_at
        FROM (
            SELECT p.shard, sum(p.event_count) AS events, max(p.recorded_at) AS recorded_at FROM placed p GROUP BY p.shard
        ) added
        WHERE h.shard = added.shard
    )
    SELECT
        j.number::integer,
        j.outcome::smallint,
        CASE WHEN j.outcome = 0 THEN p.before + 1 ELSE j.position END,
        CASE WHEN j.outcome <> 0 THEN j.event_id END,
        CASE WHEN j.outcome = 0 THEN p.recorded_at ELSE j.recorded_at END
    FROM judged j
    LEFT JOIN placed p ON p.number = j.number
    ORDER BY j.number;
END
$function$;
COMMENT ON FUNCTION append_events IS
    'The only way to append. Takes a batch of commands for any of the shards and, apart from them, their events (command: '
    '1-based index of the event''s command; number: 1-based within it; bytes in base64), locks the heads in shard order, drops a command whose '
    'key exists (outcome 1) or whose token, the version and record hash it was decided on, is stale (outcome 2), inserts '
    'the rest at the next positions (outcome 0) and advances the heads. first_position and at_ms are those of the '
    'command''s first event, or of the record that stood in its way, with that record''s first_event_id. No two commands '
    'of a batch may share a key or a stream.';
REVOKE EXECUTE ON FUNCTION append_events FROM PUBLIC;

GRANT SELECT, INSERT ON events TO guilder_app;
GRANT SELECT, UPDATE (position, recorded_at) ON heads TO guilder_app;
GRANT SELECT, INSERT ON schema_registry TO guilder_app;
GRANT SELECT ON installation TO guilder_app;
GRANT EXECUTE ON FUNCTION append_events TO guilder_app;
GRANT SELECT ON events, heads, installation, schema_registry TO guilder_projections;

RESET ROLE;
