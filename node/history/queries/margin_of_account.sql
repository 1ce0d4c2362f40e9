-- Equity and margin of an account at the end of each epoch.
SELECT b.epoch, m.height, m.equity, m.initial, m.maintenance, m.called
FROM margins m JOIN blocks b ON b.height = m.height
WHERE m.account = :account
ORDER BY m.height
