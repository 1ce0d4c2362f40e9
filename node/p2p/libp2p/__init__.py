"""The `Network` over py-libp2p: host, sessions, gossip and connections.

Rule: nothing outside this folder imports libp2p; importing `node.p2p` does not.
"""
