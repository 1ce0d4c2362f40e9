"""What nodes of a chain answer: one endpoint, a quorum of endpoints, and the reads and proofs taken from them."""
