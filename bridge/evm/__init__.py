"""Pure readers of what an EVM chain says: headers, tries, receipts, the vault's events. No I/O, no clock."""
