"""Blocks: what goes into the state machine and what comes out, with the unions of all requests and receipts."""
