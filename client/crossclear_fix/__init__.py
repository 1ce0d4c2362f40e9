"""A FIX gateway: trade capture reports (35=AE) in, signed trade reports to a node, acknowledgements (35=AR) out.

A venue or a member runs it beside its own keys. Session and messages are pure: bytes, messages and times in, messages
out. It knows the network by its client alone.
"""
