-- How often requests were refused, by kind and code.
SELECT kind, code, COUNT(*) AS times
FROM refusals
GROUP BY kind, code
ORDER BY times DESC, kind, code
