-- The projector applies what several shards have due in one transaction; its first statement locks all their checkpoints.
-- The function for one shard stays: a projector of before, which runs until it is replaced, would halt without it.

SET LOCAL ROLE guilder_owner;

CREATE FUNCTION lock_checkpoints(p_shards integer[], p_projections text[])
RETURNS TABLE (shard integer, projection text, generation integer, "position" bigint)
LANGUAGE plpgsql AS $function$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('guilder/live', 0));
    IF (SELECT count(*) FROM live l JOIN checkpoints c USING (projection, generation)
        WHERE l.projection = ANY (p_projections) AND c.shard = ANY (p_shards))
        < cardinality(p_projections) * cardinality(p_shards)
    THEN
        INSERT INTO checkpoints (projection, generation, shard)
        SELECT l.projection, l.generation, s.shard
        FROM live l CROSS JOIN unnest(p_shards) AS s (shard)
        WHERE l.projection = ANY (p_projections)
        ORDER BY s.shard, l.projection
        ON CONFLICT DO NOTHING;
    END IF;
    -- Everyone locks in this order, so nobody waits for one who waits.
    RETURN QUERY
        SELECT c.shard, c.projection, c.generation, c.position
        FROM live l JOIN checkpoints c USING (projection, generation)
        WHERE l.projection = ANY (p_projections) AND c.shard = ANY (p_shards)
        ORDER BY c.shard, c.projection
        FOR UPDATE OF c;
END
$function$;
COMMENT ON FUNCTION lock_checkpoints(integer[], text[]) IS
    'Lock and return the live checkpoints of some shards: the first statement of a transaction that applies events.';

RESET ROLE;
