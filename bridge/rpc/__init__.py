"""Reading a chain over JSON-RPC: one endpoint, a quorum of endpoints, and the vault reads and proofs based on them."""
