-- What must hold in one shard of a ledger, each as rows that break it: the check and the place. $1 is the shard.
WITH sums AS (
    SELECT position, transaction_line, sum(amount) AS off FROM {schema}.entries
    WHERE shard = $1 GROUP BY position, transaction_line
), running AS (
    SELECT e.position, e.line, e.account, e.debits, e.credits,
        sum(greatest(e.amount, 0)) OVER so_far AS true_debits, sum(greatest(-e.amount, 0)) OVER so_far AS true_credits,
        row_number() OVER (PARTITION BY e.account ORDER BY e.position DESC, e.line DESC) AS from_last,
        row_number() OVER so_far AS from_first
    FROM {schema}.entries e WHERE e.shard = $1
    WINDOW so_far AS (PARTITION BY e.account ORDER BY e.position, e.line ROWS UNBOUNDED PRECEDING)
)
SELECT 'a transaction sums to zero' AS rule, format('%s:%s:%s is off by %s', $1, position, transaction_line, off) AS detail
FROM sums WHERE off <> 0
UNION ALL
SELECT 'the trial balance is zero',
    format('%s %s is off by %s', a.currency, CASE WHEN a.livemode THEN 'live' ELSE 'test' END, sum(b.debits - b.credits))
FROM {schema}.balances b JOIN {schema}.accounts a USING (shard, account)
WHERE b.shard = $1 GROUP BY a.livemode, a.currency HAVING sum(b.debits - b.credits) <> 0
UNION ALL
SELECT 'a transaction is in one currency and mode', format('%s:%s:%s', $1, e.position, e.line)
FROM {schema}.entries e
LEFT JOIN {schema}.accounts a USING (shard, account)
LEFT JOIN {schema}.transactions t ON t.shard = e.shard AND t.position = e.position AND t.line = e.transaction_line
WHERE e.shard = $1 AND (a.currency, a.livemode) IS DISTINCT FROM (t.currency, t.livemode)
UNION ALL
SELECT 'a transaction has entries', format('%s:%s:%s', t.shard, t.position, t.line)
FROM {schema}.transactions t LEFT JOIN sums s ON s.position = t.position AND s.transaction_line = t.line
WHERE t.shard = $1 AND s.position IS NULL
UNION ALL
SELECT 'running totals add up', format('%s:%s:%s', $1, position, line)
FROM running WHERE (debits, credits) <> (true_debits, true_credits)
UNION ALL
SELECT 'a balance is what its last entry left', format('account %s', coalesce(r.account, b.account))
FROM (SELECT * FROM running WHERE from_last = 1) r
FULL JOIN (SELECT * FROM {schema}.balances WHERE shard = $1) b ON b.account = r.account
WHERE (b.position, b.debits, b.credits) IS DISTINCT FROM (r.position, r.true_debits::bigint, r.true_credits::bigint)
UNION ALL
SELECT 'an account is opened by its first entry', format('account %s', coalesce(r.account, a.account))
FROM (SELECT * FROM running WHERE from_first = 1) r
FULL JOIN (SELECT * FROM {schema}.accounts WHERE shard = $1) a ON a.account = r.account
WHERE (a.position, a.line) IS DISTINCT FROM (r.position, r.line)
