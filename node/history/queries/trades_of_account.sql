-- The last hundred trades of an account, the newest first.
SELECT t.height, t.time_ms, t.instrument, t.lots, t.ticks,
       CASE WHEN t.buyer = :account THEN 'bought' ELSE 'sold' END AS side
FROM receipt_accounts a
JOIN trades t ON t.height = a.height AND t.position = a.position
WHERE a.account = :account
ORDER BY t.height DESC, t.position DESC
LIMIT 100
