-- Trades and lots of each instrument by day, UTC.
SELECT t.time_ms / 86400000 AS day, t.instrument, COUNT(*) AS trades, SUM(t.lots) AS lots
FROM trades t
GROUP BY t.time_ms / 86400000, t.instrument
ORDER BY day, t.instrument
