DROP TABLE relay_checkpoints;
