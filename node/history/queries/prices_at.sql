-- The index price of every feed at a time (ms since 1970).
SELECT p.feed, p.ticks, p.height
FROM prices p
WHERE p.height = (
    SELECT MAX(o.height) FROM prices o
    WHERE o.feed = p.feed
      AND o.height <= (SELECT COALESCE(MAX(b.height), 0) FROM blocks b WHERE b.time_ms <= :time_ms)
)
ORDER BY p.feed
