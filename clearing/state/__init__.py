"""The replicated state: tables of frozen records, O(1) forks, incremental salted roots."""

from clearing.state.modules import Module
from clearing.state.state import State

__all__ = ["Module", "State"]
