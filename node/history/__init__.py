"""The history of a network in a database: blocks, requests, receipts, balances, margins and prices, for anybody's SQL.

Rule: everything follows from the blocks of a home, executed again, so a history can be thrown away and made anew. It is
not part of a node: a process of its own reads the node's disk and writes the database.
"""
