"""`SourceCell`: the newest that one source said, written by its connection and read by the feed.

Rule: its state is replaced whole, never changed, so that a reader in another thread sees one moment.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from clearing.base.errors import RemoteFault
from node.config_oracle import ContractConfig, SourceConfig
from node.oracle.events import BookLost, Event, MarketHalted, MarketOpened, PriceRead
from node.oracle.guard import SourceState
from node.oracle.source import OracleCode


class SourceCell:
    """Of one source. `faults` counts what failed since the start, by code."""

    def __init__(self, config: SourceConfig | ContractConfig) -> None:
        self.config = config
        self.state = SourceState(config.name)
        self.faults: Counter[OracleCode] = Counter()

    @property
    def market(self) -> str:
        """Venue and market, or kind and contract."""
        config = self.config
        if isinstance(config, ContractConfig):
            return f"{config.kind} {config.address} on {config.chain_id}"
        return f"{config.venue} {config.market}"

    @property
    def age_ms_max(self) -> int:
        """0: the feed's. What is updated at a heartbeat may be as old as that, and the final block besides."""
        config = self.config
        if isinstance(config, ContractConfig):
            return config.age_ms_max + 1_000 * config.heartbeat_s
        return config.age_ms_max

    def take(self, events: Sequence[Event], now_ms: int) -> None:
        """What the venue said at this time of the own clock."""
        for event in events:
            if isinstance(event, PriceRead):
                self._read(event, now_ms)
            elif isinstance(event, MarketHalted):
                if self.state.fault is not OracleCode.MARKET_HALTED:
                    self.faults[OracleCode.MARKET_HALTED] += 1
                self.state = replace(self.state, fault=OracleCode.MARKET_HALTED, why=event.why)
            elif isinstance(event, MarketOpened):
                if self.state.fault is OracleCode.MARKET_HALTED:
                    self.state = replace(self.state, fault=None, why="")
            elif isinstance(event, BookLost):
                self._failed(OracleCode.BOOK_BROKEN, event.why, reading_lost=True)

    def failed(self, fault: RemoteFault, *, reading_lost: bool) -> None:
        """The connection or an answer of the venue failed. `reading_lost`: its last price counts no more."""
        code = fault.code if isinstance(fault.code, OracleCode) else OracleCode.VENUE_UNREACHABLE
        self._failed(code, str(fault).partition(": ")[2], reading_lost=reading_lost)

    def _read(self, event: PriceRead, now_ms: int) -> None:
        halted = self.state.fault is OracleCode.MARKET_HALTED
        fault, why = (self.state.fault, self.state.why) if halted else (None, "")
        self.state = SourceState(self.config.name, event.reading, now_ms, fault, why)

    def _failed(self, code: OracleCode, why: str, *, reading_lost: bool) -> None:
        self.faults[code] += 1
        reading = None if reading_lost else self.state.reading
        if reading is not None and self.state.fault is OracleCode.MARKET_HALTED:
            return
        self.state = replace(self.state, reading=reading, fault=code, why=why)
