"""Tendermint as a pure function: the paper's rules, what they read and what they ask for."""
