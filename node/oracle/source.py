"""What every price source gives, whatever it reads."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Quote:
    """One feed now: ticks, half-width of the confidence interval in ticks, number of independent sources behind it."""

    feed: int
    ticks: int
    confidence_ticks: int
    sources: int


class PriceSource(Protocol):
    """A source of prices. `read` may block for a short file or socket read; it is called from a worker thread."""

    def read(self, now_ms: int) -> tuple[Quote, ...]:
        """Quotes ordered by feed; a feed without a price is left out. Raises LocalFault when the source is unusable."""
        ...
