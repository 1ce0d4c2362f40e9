"""`Terms`: genesis, as amended, made ready for look-ups.

Rule: derived from genesis and the amendments in force alone, and never changed: an amendment makes other terms
(`clearing.governance`). So nobody keeps terms from one block to the next. The network's id stays that of genesis.
"""

from functools import cached_property

from clearing.assets import Asset, CashGroup, collateral_tokens
from clearing.base.ids import NetworkId
from clearing.genesis import ChainTerms, Genesis, network_id
from clearing.instruments import Instrument
from clearing.margin.parameters import RiskGroup
from clearing.trades.venues import VenueTerms


class Terms:
    """What the rules look up by id. Every mapping is in order of its key."""

    def __init__(self, genesis: Genesis, origin: Genesis | None = None) -> None:
        self.genesis = genesis
        """As amended."""
        self.origin = origin or genesis
        """What the network began with."""
        self.market = genesis.market
        self.risk = genesis.risk
        self.crisis = genesis.crisis
        self.chains: dict[int, ChainTerms] = {chain.chain_id: chain for chain in genesis.chains}
        self.assets: dict[int, Asset] = {asset.id: asset for asset in genesis.assets}
        self.collateral_of: dict[int, Asset] = {
            asset.id: asset.as_collateral for asset in genesis.assets if asset.may_leave
        }
        """What the cash tokens that may leave their group become; until then nobody holds any of it."""
        self.heard_chains: tuple[int, ...] = tuple(
            sorted({each.chain_id for each in genesis.assets if each.haircut.outage_ms or each.depeg.halt_ms})
        )
        """Chains whose silence changes what a token counts for."""
        self.tokens: tuple[Asset, ...] = collateral_tokens(genesis.assets)
        self.asset_of: dict[tuple[int, bytes, bytes], Asset] = {
            (asset.chain_id, asset.vault, asset.token): asset for asset in genesis.assets
        }
        self.cash_terms: dict[int, CashGroup] = {group.id: group for group in genesis.cash_groups}
        self.cash_groups: tuple[int, ...] = tuple(group.id for group in genesis.cash_groups)
        self.instruments: dict[int, Instrument] = {instrument.id: instrument for instrument in genesis.instruments}
        self.position_of: dict[int, int] = {instrument: at for at, instrument in enumerate(self.instruments)}
        """Where an instrument stands in the risk arrays."""
        self.groups: dict[int, RiskGroup] = {group.id: group for group in genesis.risk.groups}
        self.venues: dict[int, VenueTerms] = {venue.id: venue for venue in genesis.venues}
        self.feeds: tuple[int, ...] = tuple(feed.id for feed in genesis.feeds)

    @cached_property
    def network(self) -> NetworkId:
        """The network id."""
        return network_id(self.origin)

    @cached_property
    def genesis_accounts_max(self) -> int:
        """How many accounts a member has at genesis, at most."""
        return max(len(member.accounts) for member in self.genesis.members)

    @cached_property
    def instruments_of_feed(self) -> dict[int, tuple[Instrument, ...]]:
        """By feed, ordered by id."""
        return {feed: tuple(each for each in self.instruments.values() if each.feed == feed) for feed in self.feeds}

    @cached_property
    def tokens_of_feed(self) -> dict[int, tuple[Asset, ...]]:
        """Collateral tokens by the feed that prices them, ordered by id."""
        return {feed: tuple(each for each in self.tokens if feed in each.feeds) for feed in self.feeds}
