"""`ChainCell`: the newest option quotes of one source, written by its connection and read by the fit.

Rule: its state is replaced whole, never changed, so that a reader in another thread sees one moment.
"""

from collections import Counter
from dataclasses import dataclass, replace

from clearing.base.errors import RemoteFault
from node.config_oracle import OptionsConfig
from node.oracle.option_quotes import OptionChain
from node.oracle.source import OracleCode


@dataclass(frozen=True, slots=True)
class ChainState:
    """`arrived_ms`: when it was asked for, by the own clock. `fault`: what failed last, None after an answer."""

    chain: OptionChain | None = None
    arrived_ms: int = 0
    fault: OracleCode | None = None
    why: str = ""


class ChainCell:
    """Of one source. `faults` counts what failed since the start, by code."""

    def __init__(self, config: OptionsConfig) -> None:
        self.config = config
        self.state = ChainState()
        self.faults: Counter[OracleCode] = Counter()

    def take(self, chain: OptionChain, asked_ms: int) -> None:
        """What the venue answered."""
        self.state = ChainState(chain, asked_ms)

    def failed(self, fault: RemoteFault) -> None:
        """Its last quotes count until they are too old."""
        code = fault.code if isinstance(fault.code, OracleCode) else OracleCode.VENUE_UNREACHABLE
        self.faults[code] += 1
        self.state = replace(self.state, fault=code, why=str(fault).partition(": ")[2])
