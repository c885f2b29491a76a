-- How far applications of the `eventsourcing` library have followed the log.

SET LOCAL ROLE guilder_owner;

CREATE TABLE tracking (
    follower text NOT NULL,
    upstream text NOT NULL,
    shard integer NOT NULL,
    notification_id bigint NOT NULL,
    PRIMARY KEY (follower, upstream, shard)
);
COMMENT ON TABLE tracking IS
    'How far each follower has processed a shard; written in the transaction of what it made of it.';
COMMENT ON COLUMN tracking.follower IS 'Name of the application that follows.';
COMMENT ON COLUMN tracking.upstream IS 'Name of the application that is followed, as the library calls it.';
COMMENT ON COLUMN tracking.shard IS 'The shard that is followed.';
COMMENT ON COLUMN tracking.notification_id IS 'The last position that was processed; it only grows.';

GRANT SELECT, INSERT, UPDATE ON tracking TO guilder_app;

RESET ROLE;
