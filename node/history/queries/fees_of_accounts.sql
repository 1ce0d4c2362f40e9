-- What each account paid in trade fees, in micros, the most first.
SELECT account, SUM(fee) AS fees
FROM (
    SELECT buyer AS account, fee_each AS fee FROM trades
    UNION ALL
    SELECT seller AS account, fee_each AS fee FROM trades
) AS sides
GROUP BY account
ORDER BY fees DESC, account
LIMIT 50
