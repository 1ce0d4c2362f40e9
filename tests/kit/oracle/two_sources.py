"""A feed that is made of two sources: one is good, and one gives no price."""

from clearing.base.errors import RemoteFault
from node.config_oracle import FeedConfig, SourceConfig
from node.oracle.events import PriceRead
from node.oracle.readings import E18, Reading
from node.oracle.several_sources import SeveralSources
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell

NOW = 1_700_000_000_000
SECRET_URL = "wss://venue/key-0123456789"
AGE_MS = 1_500


def two_sources() -> SeveralSources:
    """Feed 1, BTC, as read at `NOW`."""
    cells = [
        SourceCell(SourceConfig(feed="BTC", name=name, venue="kraken", market="M", url=SECRET_URL))
        for name in ("good", "lost")
    ]
    cells[0].take([PriceRead(Reading(50_000 * E18, time_ms=NOW - AGE_MS))], NOW)
    cells[1].failed(RemoteFault(OracleCode.VENUE_UNREACHABLE, "venue", why=SECRET_URL), reading_lost=True)
    several = SeveralSources([FeedConfig(name="BTC", feed=1, quorum=2)], cells)
    several.read(NOW)
    return several
