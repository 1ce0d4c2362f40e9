"""A light client: one trusted height, and from there any other by certificates, against servers that may lie.

Rule: no server is believed, neither the one that serves nor those that confirm; only certificates and what the caller
trusted first. What contradicts goes into a file and to the validators, and nothing after it is believed.
"""
