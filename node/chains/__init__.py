"""EVM chains: watch vaults, attest to what was seen, relay checkpoints and claims, fetch storage proofs."""
