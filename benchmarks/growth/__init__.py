"""How costs grow: with accounts, with validators and with trades in a block; and what gives way first."""
