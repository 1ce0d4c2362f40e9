"""What a node keeps on disk beside the consensus write-ahead log and its keys.

`Store` is one SQLite database with one writer thread; `block_log` is the same blocks as one flat, checksummed file.
"""
