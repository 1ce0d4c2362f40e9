"""Tables and views of a history, for PostgreSQL and SQLite alike.

Rule: rows are only added, each under the height of its block; what holds at a height is the newest row not above it.
Amounts of money are micros for cash and clearing units for tokens. A change of layout is a new `VERSION`: a database of
another version is refused, because it can be made anew.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

VERSION = 2
METADATA = MetaData()


def _key(name: str, kind: type = BigInteger) -> Column[int]:
    return Column(name, kind, primary_key=True, autoincrement=False)


ABOUT = Table("about", METADATA, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
"""`version`, and `network` in hex."""
BLOCKS = Table(
    "blocks",
    METADATA,
    _key("height"),
    Column("time_ms", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("state_root", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("receipts", Integer, nullable=False),
)
REQUESTS = Table(
    "requests",
    METADATA,
    _key("height"),
    _key("position", Integer),
    Column("hash", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("body", JSON, nullable=False),
    Index("requests_by_hash", "hash"),
)
"""What blocks contained, in the JSON form of the API."""
RECEIPTS = Table(
    "receipts",
    METADATA,
    _key("height"),
    _key("position", Integer),
    Column("kind", Text, nullable=False),
    Column("request", Integer),
    Column("body", JSON, nullable=False),
    Index("receipts_by_kind", "kind", "height"),
)
"""In the JSON form of the API. `request`: the position of the request that it answers."""
RECEIPT_ACCOUNTS = Table("receipt_accounts", METADATA, _key("account"), _key("height"), _key("position", Integer))
"""The accounts that a receipt names."""
BALANCES = Table(
    "balances",
    METADATA,
    _key("account"),
    _key("currency"),
    _key("height"),
    Column("amount", BigInteger, nullable=False),
)
"""After a block that changed it. `currency`: a cash group, or 2^32 + the asset's id for a token."""
PRICES = Table("prices", METADATA, _key("feed"), _key("height"), Column("ticks", BigInteger, nullable=False))
"""Index prices, where they changed."""
MARKS = Table("marks", METADATA, _key("instrument"), _key("height"), Column("ticks", BigInteger, nullable=False))
"""Marks, where they changed."""
MARGINS = Table(
    "margins",
    METADATA,
    _key("account"),
    _key("height"),
    Column("equity", BigInteger, nullable=False),
    Column("initial", BigInteger, nullable=False),
    Column("maintenance", BigInteger, nullable=False),
    Column("called", Boolean, nullable=False),
)
"""Of every account with money or positions, at the height that closes an epoch."""
POSITIONS = Table(
    "positions",
    METADATA,
    _key("account"),
    _key("instrument"),
    _key("height"),
    Column("lots", BigInteger, nullable=False),
)
"""Of every account, at the height that closes an epoch; none where there are no lots."""

LIQUIDATION_KINDS = (
    "BackstopTakeover",
    "Liquidated",
    "LiquidationDeferred",
    "LiquidationEnded",
    "LiquidationOpened",
    "LiquidationStepTaken",
    "SliceSold",
)
"""Receipts of liquidations; each names its account."""
_LIQUIDATIONS = ", ".join(f"'{kind}'" for kind in LIQUIDATION_KINDS)
VIEWS = {
    "trades": """
        SELECT r.height, b.time_ms, r.position,
               CAST(r.body->>'venue' AS BIGINT) AS venue,
               CAST(r.body->>'venue_trade_id' AS BIGINT) AS venue_trade_id,
               CAST(r.body->>'instrument' AS BIGINT) AS instrument,
               CAST(r.body->>'buyer' AS BIGINT) AS buyer,
               CAST(r.body->>'seller' AS BIGINT) AS seller,
               CAST(r.body->>'lots' AS BIGINT) AS lots,
               CAST(r.body->>'ticks' AS BIGINT) AS ticks,
               CAST(r.body->>'fee_each' AS BIGINT) AS fee_each
        FROM receipts r JOIN blocks b ON b.height = r.height
        WHERE r.kind = 'TradeNovated'""",
    "liquidations": f"""
        SELECT r.height, b.time_ms, r.position, r.kind, CAST(r.body->>'account' AS BIGINT) AS account, r.body
        FROM receipts r JOIN blocks b ON b.height = r.height
        WHERE r.kind IN ({_LIQUIDATIONS})""",  # noqa: S608 - kinds of our receipts
    "newest_balances": """
        SELECT n.account, n.currency, n.amount, n.height
        FROM balances n JOIN (
            SELECT account, currency, MAX(height) AS height FROM balances GROUP BY account, currency
        ) AS top ON top.account = n.account AND top.currency = n.currency AND top.height = n.height""",
    "refusals": """
        SELECT q.height, b.time_ms, q.position, q.hash, q.kind,
               CAST(r.body->>'code' AS BIGINT) AS code, r.body->>'at' AS place
        FROM requests q
        JOIN blocks b ON b.height = q.height
        JOIN receipts r ON r.height = q.height AND r.request = q.position
        WHERE r.kind IN ('Refused', 'BundledTradeRefused')""",
}
"""By name; SQL that both databases understand."""
