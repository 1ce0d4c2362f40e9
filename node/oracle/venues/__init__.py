"""Venues: what each one's messages mean.

Rule: a parser is a pure state machine of one market. Bytes go in, events come out; it knows no socket and no clock, and
raises nothing but `RemoteFault` with a code of the oracle.
"""
