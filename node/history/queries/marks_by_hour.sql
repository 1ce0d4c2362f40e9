-- Lowest and highest mark of an instrument by hour, UTC.
SELECT b.time_ms / 3600000 AS hour, MIN(m.ticks) AS low, MAX(m.ticks) AS high, COUNT(*) AS changes
FROM marks m JOIN blocks b ON b.height = m.height
WHERE m.instrument = :instrument
GROUP BY b.time_ms / 3600000
ORDER BY hour
