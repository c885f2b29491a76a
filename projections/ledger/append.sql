-- Append one shard's transactions, entries and new accounts, and move the balances, in one statement.
-- Runs under the shard's checkpoint lock, so the balances it reads are those that the last entry left.
WITH fresh AS (
    SELECT * FROM unnest($2::bigint[], $3::smallint[], $4::smallint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::bigint[])
        AS f (position, line, transaction_line, account, amount, recorded_at, effective_at)
), opened AS (
    INSERT INTO {schema}.accounts (shard, account, livemode, currency, code, party, position, line)
    SELECT $1, a.* FROM unnest($9::uuid[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::smallint[])
        AS a (account, livemode, currency, code, party, position, line)
    ON CONFLICT (shard, account) DO NOTHING
), posted AS (
    INSERT INTO {schema}.transactions (shard, position, line, event_id, event_type, rule, livemode, currency,
        merchant_id, stream_id, subject, reverses, recorded_at, effective_at)
    SELECT $1, t.* FROM unnest($16::bigint[], $17::smallint[], $18::uuid[], $19::text[], $20::text[], $21::boolean[],
        $22::text[], $23::uuid[], $24::uuid[], $25::uuid[], $26::text[], $27::bigint[], $28::bigint[])
        AS t (position, line, event_id, event_type, rule, livemode, currency,
            merchant_id, stream_id, subject, reverses, recorded_at, effective_at)
), entered AS (
    INSERT INTO {schema}.entries (shard, position, line, transaction_line, account, amount, debits, credits,
        recorded_at, effective_at)
    SELECT $1, f.position, f.line, f.transaction_line, f.account, f.amount,
        coalesce(b.debits, 0) + sum(greatest(f.amount, 0)) OVER so_far,
        coalesce(b.credits, 0) + sum(greatest(-f.amount, 0)) OVER so_far,
        f.recorded_at, f.effective_at
    FROM fresh f LEFT JOIN {schema}.balances b ON b.shard = $1 AND b.account = f.account
    WINDOW so_far AS (PARTITION BY f.account ORDER BY f.position, f.line ROWS UNBOUNDED PRECEDING)
)
INSERT INTO {schema}.balances AS b (shard, account, position, debits, credits)
SELECT $1, account, max(position), sum(greatest(amount, 0)), sum(greatest(-amount, 0)) FROM fresh GROUP BY account
ON CONFLICT (shard, account) DO UPDATE
SET position = excluded.position, debits = b.debits + excluded.debits, credits = b.credits + excluded.credits
