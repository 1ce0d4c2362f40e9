"""Blocks: the input and output of the state machine, with the unions of all requests and receipts."""
