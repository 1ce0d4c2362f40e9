"""Prices in the state of chains: what Chainlink, Pyth and Uniswap answer, and their reading at one final block.

Rule: decoding is pure and knows no endpoint; the reader knows no protocol. Nothing counts that a quorum of the chain's
endpoints does not state of the same block.
"""
