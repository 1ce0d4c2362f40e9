"""What every EVM chain keeps: its encoding, its tries, and what can be proven out of them."""
