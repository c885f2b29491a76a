-- What each account held: $1 shards and $2 positions are the vector to answer for, $3 the effective time or null.
-- An account's last entry carries its totals, so any past position is one index probe; only an effective time that
-- differs from the order of the log has to add up entries.
SELECT a.shard, a.account, a.livemode, a.currency, a.code, a.party, a.position, a.line, t.debits, t.credits
FROM unnest($1::integer[], $2::bigint[]) v (shard, upto)
CROSS JOIN (SELECT $3::bigint AS until) effective
JOIN {schema}.accounts a ON a.shard = v.shard AND a.position <= v.upto
CROSS JOIN LATERAL (
    {totals}
) t
