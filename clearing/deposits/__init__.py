"""Deposits: attested bridge facts, custody evidence, and soft credit against deposits that are not final."""
