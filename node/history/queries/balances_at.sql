-- Balances of an account after a height.
SELECT b.currency, b.amount, b.height
FROM balances b
WHERE b.account = :account AND b.height = (
    SELECT MAX(o.height) FROM balances o
    WHERE o.account = b.account AND o.currency = b.currency AND o.height <= :height
)
ORDER BY b.currency
