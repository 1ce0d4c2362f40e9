"""Following a vault: final blocks, the cursor on disk, pending deposits, expired withdrawals, custody evidence."""
