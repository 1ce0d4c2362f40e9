"""Reading a chain over JSON-RPC: its profile, endpoints, a quorum of them, and the vault reads and proofs on top."""
