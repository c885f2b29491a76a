SET LOCAL ROLE guilder_owner;
DROP FUNCTION lock_checkpoints(integer[], text[]);
RESET ROLE;
