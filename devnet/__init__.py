"""Whole networks on one machine: EVM chains, genesis, members and validators as processes."""
