"""What a member, or anybody, does without a node: ask nodes, sign, follow headers, verify, explain.

Rule: nothing here imports `node`, `devnet` or `cli`; `node` may import this package, with the types that both ends of
the HTTP API share. Verifying imports neither trio nor web3 nor libp2p.
"""
