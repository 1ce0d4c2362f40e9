-- The accounts with the least margin to spare at the newest epoch.
SELECT m.account, m.equity, m.initial, m.equity - m.initial AS spare, m.called
FROM margins m
WHERE m.height = (SELECT MAX(height) FROM margins)
ORDER BY spare, m.account
LIMIT 20
