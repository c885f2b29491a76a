-- Append transactions, entries and new accounts of some shards, and move the balances, in one statement.
-- Runs under the shards' checkpoint locks, so the balances it reads are those that the last entry left.
WITH fresh AS (
    SELECT * FROM unnest($1::integer[], $2::bigint[], $3::smallint[], $4::smallint[], $5::uuid[], $6::bigint[], $7::bigint[],
        $8::bigint[])
        AS f (shard, position, line, transaction_line, account, amount, recorded_at, effective_at)
), opened AS (
    INSERT INTO {schema}.accounts (shard, account, livemode, currency, code, party, position, line)
    SELECT * FROM unnest($9::integer[], $10::uuid[], $11::boolean[], $12::text[], $13::text[], $14::text[], $15::bigint[],
        $16::smallint[])
    ON CONFLICT (shard, account) DO NOTHING
), posted AS (
    INSERT INTO {schema}.transactions (shard, position, line, event_id, event_type, rule, livemode, currency,
        merchant_id, stream_id, subject, reverses, recorded_at, effective_at)
    SELECT * FROM unnest($17::integer[], $18::bigint[], $19::smallint[], $20::uuid[], $21::text[], $22::text[], $23::boolean[],
        $24::text[], $25::uuid[], $26::uuid[], $27::uuid[], $28::text[], $29::bigint[], $30::bigint[])
), entered AS (
    INSERT INTO {schema}.entries (shard, position, line, transaction_line, account, amount, debits, credits,
        recorded_at, effective_at)
    SELECT f.shard, f.position, f.line, f.transaction_line, f.account, f.amount,
        coalesce(b.debits, 0) + sum(greatest(f.amount, 0)) OVER so_far,
        coalesce(b.credits, 0) + sum(greatest(-f.amount, 0)) OVER so_far,
        f.recorded_at, f.effective_at
    FROM fresh f LEFT JOIN {schema}.balances b ON b.shard = f.shard AND b.account = f.account
    WINDOW so_far AS (PARTITION BY f.shard, f.account ORDER BY f.position, f.line ROWS UNBOUNDED PRECEDING)
)
INSERT INTO {schema}.balances AS b (shard, account, position, debits, credits)
SELECT shard, account, max(position), sum(greatest(amount, 0)), sum(greatest(-amount, 0))
FROM fresh GROUP BY shard, account
ON CONFLICT (shard, account) DO UPDATE
SET position = excluded.position, debits = b.debits + excluded.debits, credits = b.credits + excluded.credits
