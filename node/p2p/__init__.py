"""How peers talk: direct streams for votes, data and sync, gossip for what is low-rate and many-to-many.

Rule: users see `network.Network` alone, with libp2p behind it in production and a network in memory in tests. Importing
this package or `network`, `codes` never imports libp2p (1.4 s); `libp2p_network` does.
"""
