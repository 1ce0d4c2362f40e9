"""What a node does on EVM chains: watch vaults, attest to what it saw, relay checkpoints and claims, fetch storage proofs."""
