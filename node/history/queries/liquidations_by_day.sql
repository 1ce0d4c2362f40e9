-- Liquidations by day and kind of receipt, UTC.
SELECT l.time_ms / 86400000 AS day, l.kind, COUNT(*) AS receipts, COUNT(DISTINCT l.account) AS accounts
FROM liquidations l
GROUP BY l.time_ms / 86400000, l.kind
ORDER BY day, l.kind
