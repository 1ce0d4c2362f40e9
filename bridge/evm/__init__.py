"""Pure readers of EVM chain data: headers, tries, receipts, the vault's events. No I/O, no clock."""
