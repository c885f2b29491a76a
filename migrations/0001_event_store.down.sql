-- Roles stay: they belong to the cluster, where other installations may use them.

DO $guard$
BEGIN
    LOCK TABLE events IN ACCESS EXCLUSIVE MODE; -- an append that is under way ends first, and its events are seen
    IF EXISTS (SELECT FROM events) THEN
        RAISE EXCEPTION 'the log holds events; it is the only source of truth and is not dropped'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$guard$;

SET LOCAL ROLE guilder_owner;
DROP FUNCTION append_events;
DROP FUNCTION create_shards;
DROP TABLE events;
DROP TABLE heads;
DROP TABLE schema_registry;
DROP TABLE installation;
DROP FUNCTION refuse_changes_to;
DROP FUNCTION refuse_change;
RESET ROLE;
