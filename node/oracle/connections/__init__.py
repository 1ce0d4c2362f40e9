"""Connections: how the bytes of a source get to its parser.

Rule: a connection that fails is dialled again, later each time; it never ends the node and never blocks a vote. Every
message is bounded in size, every wait in time.
"""
