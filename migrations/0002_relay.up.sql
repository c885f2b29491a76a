-- What the relay remembers of each shard: who leads it, and the last record that Kafka acknowledged.

SET LOCAL ROLE guilder_owner;

CREATE TABLE relay_checkpoints (
    shard integer PRIMARY KEY,
    epoch bigint NOT NULL DEFAULT 1 CHECK (epoch > 0),
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    kafka_offset bigint,
    event_id uuid,
    CONSTRAINT relay_checkpoints_whole CHECK ((position = 0) = (kafka_offset IS NULL) AND (position = 0) = (event_id IS NULL))
) WITH (fillfactor = 10);
COMMENT ON TABLE relay_checkpoints IS
    'The last record of each shard that Kafka acknowledged; may be behind what the topic holds, never ahead of it.';
COMMENT ON COLUMN relay_checkpoints.epoch IS
    'Rises each time a relay takes the shard''s advisory lock; a relay with an older one may no longer write here.';
COMMENT ON COLUMN relay_checkpoints.position IS 'Position of that record in its shard; 0 when there is none yet.';
COMMENT ON COLUMN relay_checkpoints.kafka_offset IS 'Offset of that record in the partition that is its shard.';
COMMENT ON COLUMN relay_checkpoints.event_id IS 'Id of that record''s event, to tell it from another at that offset.';

GRANT SELECT, INSERT, UPDATE ON relay_checkpoints TO guilder_app;

RESET ROLE;
