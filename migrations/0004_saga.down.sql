DROP TABLE saga_cases;
DROP TABLE steps;
DELETE FROM checkpoints WHERE projection = 'payment_saga';
