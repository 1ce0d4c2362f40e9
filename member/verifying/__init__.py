"""Offline verification: an epoch package, a folder of proofs, the default fund, exit leaves, an on-chain proof."""
