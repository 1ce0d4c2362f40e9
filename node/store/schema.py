"""Tables of the store.

Rule: a change of layout is a new `VERSION`; a store of another version is refused, never guessed at.
"""

VERSION = b"crossclear/store/v1"

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    # Large blobs: rowid tables keep them out of the key pages.
    "CREATE TABLE IF NOT EXISTS blocks (height INTEGER PRIMARY KEY, block BLOB NOT NULL, certificate BLOB NOT NULL,"
    " extended_commit BLOB NOT NULL, digest BLOB NOT NULL)",
    # By hash, as headers name them.
    "CREATE TABLE IF NOT EXISTS validator_sets (hash BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS snapshots (height INTEGER PRIMARY KEY, data BLOB NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS receipts (height INTEGER NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY (height, position)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS receipt_accounts (account INTEGER NOT NULL, height INTEGER NOT NULL,"
    " position INTEGER NOT NULL, PRIMARY KEY (account, height, position)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS packages (epoch INTEGER PRIMARY KEY, height INTEGER NOT NULL, path TEXT NOT NULL,"
    " size INTEGER NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cursors (chain_id INTEGER PRIMARY KEY, number INTEGER NOT NULL, hash BLOB NOT NULL,"
    " ring BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS facts (key BLOB PRIMARY KEY, chain_id INTEGER NOT NULL, number INTEGER NOT NULL,"
    " data BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS facts_by_block ON facts (chain_id, number)",
)
