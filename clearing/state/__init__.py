"""The replicated state: tables of frozen records, O(1) forks, incremental salted roots."""

from clearing.state.state import Module, State

__all__ = ["Module", "State"]
