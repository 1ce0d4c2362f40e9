"""The effective terms: genesis with every enacted amendment, in order, ready for look-ups.

Rule: a function of genesis and the amendments alone, so everybody who has both, a verifier included, gets the same
terms. The head, a hash chain over the amendments, identifies them in 32 bytes. Amendments are not validated here: the
state contains only those validated when they took effect. Terms never change; an amendment makes new terms. The network
id stays that of genesis.
"""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from clearing.base.codec import encode, u256
from clearing.base.errors import CrossclearError, Rejected, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32, NetworkId
from clearing.base.units import PPM
from clearing.genesis.checks import check_terms
from clearing.genesis.paths import change_genesis
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.governance import AmendmentRecord
from clearing.schema.requests.governance import TermsAmendment, TermsChangingAmendment, VaultDetachment
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.assets import Asset, CashGroup, collateral_tokens
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.collateral import ScenarioTerms
from clearing.schema.terms.genesis import Genesis, VenueTerms, network_id
from clearing.schema.terms.instruments import Instrument
from clearing.schema.terms.surfaces import SurfaceTerms

HEAD_TAG = "crossclear/amendments/v1"
NO_HEAD = bytes(32)


def amended_genesis(genesis: Genesis, amendment: TermsChangingAmendment) -> Genesis | Rejected:
    """`genesis` with one amendment, or why it does not apply."""
    if isinstance(amendment, TermsAmendment):
        return change_genesis(genesis, amendment.changes)
    if not any((chain.chain_id, chain.vault) == (amendment.chain_id, amendment.vault) for chain in genesis.chains):
        return reject(ClearingCode.BAD_AMENDMENT, "amendment.vault", chain_id=amendment.chain_id, vault=amendment.vault)
    return msgspec.structs.replace(genesis, assets=tuple(_without_vault(asset, amendment) for asset in genesis.assets))


def _without_vault(asset: Asset, detached: VaultDetachment) -> Asset:
    """An asset of the vault is no longer accepted and counts for nothing."""
    if (asset.chain_id, asset.vault) != (detached.chain_id, detached.vault):
        return asset
    depeg = msgspec.structs.replace(asset.depeg, haircut_ppm=PPM) if asset.has_depeg_guard else asset.depeg
    haircut = 0 if asset.is_cash else PPM
    return msgspec.structs.replace(
        asset, cap_units=0, haircut_ppm=haircut, soft_credit_ppm=0, depeg=depeg, scenarios=ScenarioTerms()
    )


def next_head(head: bytes, height: int, time_ms: int, proposal: bytes, amendment: TermsChangingAmendment) -> Hash32:
    """The hash chain with one more amendment."""
    return tagged_hash(HEAD_TAG, head, u256(height), u256(time_ms), proposal, encode(amendment))


def check_amendment_chain(amendments: Sequence[AmendmentRecord]) -> Hash32:
    """The head of these amendments, each of which must state its own. Raises RemoteFault BAD_SNAPSHOT."""
    head = Hash32(NO_HEAD)
    for number, record in enumerate(amendments, start=1):
        head = next_head(head, record.height, record.time_ms, record.proposal, record.amendment)
        if head != record.chain_head:
            raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments", number=number, head=record.chain_head)
    return head


def replay_amendments(origin: Genesis, amendments: Sequence[AmendmentRecord]) -> Genesis:
    """The genesis as amended. Raises RemoteFault BAD_SNAPSHOT when they do not follow each other."""
    check_amendment_chain(amendments)
    genesis = origin
    for number, record in enumerate(amendments, start=1):
        after = amended_genesis(genesis, record.amendment)
        if isinstance(after, Rejected):
            raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments", number=number, code=after.code.label)
        genesis = after
    return genesis


class Terms:
    """Look-up tables of the terms by id. Every mapping is in order of its key."""

    def __init__(self, genesis: Genesis, origin: Genesis | None = None) -> None:
        self.genesis = genesis
        """As amended."""
        self.original_genesis = origin or genesis
        """The genesis that the network began with."""
        self.market = genesis.market
        self.risk = genesis.risk
        self.crisis = genesis.crisis
        self.chains: dict[int, ChainTerms] = {chain.chain_id: chain for chain in genesis.chains}
        self.assets: dict[int, Asset] = {asset.id: asset for asset in genesis.assets}
        self.collateral_after_leaving: dict[int, Asset] = {
            asset.id: asset.as_collateral for asset in genesis.assets if asset.has_depeg_guard
        }
        """What the cash tokens that may leave their group become. Until then nobody has any of it."""
        self.watched_chains: tuple[int, ...] = tuple(
            sorted({asset.chain_id for asset in genesis.assets if asset.haircut.outage_ms or asset.depeg.halt_ms})
        )
        """Chains whose silence changes the value of a token."""
        self.tokens: tuple[Asset, ...] = collateral_tokens(genesis.assets)
        self.assets_by_token: dict[tuple[int, bytes, bytes], Asset] = {
            (asset.chain_id, asset.vault, asset.token): asset for asset in genesis.assets
        }
        self.cash_terms: dict[int, CashGroup] = {group.id: group for group in genesis.cash_groups}
        self.cash_groups: tuple[int, ...] = tuple(group.id for group in genesis.cash_groups)
        self.instruments: dict[int, Instrument] = {instrument.id: instrument for instrument in genesis.instruments}
        self.array_index: dict[int, int] = {instrument: at for at, instrument in enumerate(self.instruments)}
        """Position of an instrument in the risk arrays."""
        self.groups: dict[int, RiskGroup] = {group.id: group for group in genesis.risk.groups}
        self.venues: dict[int, VenueTerms] = {venue.id: venue for venue in genesis.venues}
        self.surfaces: dict[int, SurfaceTerms] = {terms.group: terms for terms in genesis.surfaces}
        """By risk group."""
        self.feeds: tuple[int, ...] = tuple(feed.id for feed in genesis.feeds)

    @cached_property
    def network(self) -> NetworkId:
        """The network id."""
        return network_id(self.original_genesis)

    @cached_property
    def quoted_expiries(self) -> dict[int, tuple[int, ...]]:
        """The expiries that validators report on, rising, by risk group: those of its options, and of its futures where
        they are marked off the curve; a group without any is left out."""
        found: dict[int, set[int]] = {}
        for instrument in self.instruments.values():
            if instrument.is_option or (instrument.carries and self.risk.futures_on_curve):
                found.setdefault(instrument.group, set()).add(instrument.expiry_ms)
        return {group: tuple(sorted(expiries)) for group, expiries in sorted(found.items())}

    @cached_property
    def genesis_accounts_max(self) -> int:
        """The largest number of accounts of one member at genesis."""
        return max(len(member.accounts) for member in self.genesis.members)

    @cached_property
    def listed_affiliates(self) -> tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]:
        """(member, affiliated clients' accounts, affiliated members) of every member that lists any, ordered."""
        found = (
            (member.id, tuple(account.id for account in member.accounts if account.affiliated), member.affiliates)
            for member in self.genesis.members
        )
        return tuple(listed for listed in found if listed[1] or listed[2])

    @cached_property
    def instruments_of_feed(self) -> dict[int, tuple[Instrument, ...]]:
        """Instruments by feed, ordered by id."""
        return {
            feed: tuple(instrument for instrument in self.instruments.values() if instrument.feed == feed)
            for feed in self.feeds
        }

    @cached_property
    def tokens_of_feed(self) -> dict[int, tuple[Asset, ...]]:
        """Collateral tokens by the feed that prices them, ordered by id."""
        return {feed: tuple(token for token in self.tokens if feed in token.feeds) for feed in self.feeds}


def effective_genesis(origin: Genesis, amendments: Sequence[AmendmentRecord]) -> Terms:
    """The terms in force. Raises RemoteFault BAD_SNAPSHOT, also for terms that no network could have agreed on."""
    genesis = replay_amendments(origin, amendments)
    if amendments:
        try:
            check_terms(genesis)
        except (CrossclearError, ArithmeticError, ValueError, LookupError, TypeError) as fault:
            raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments", why=str(fault)[:128]) from None
    return Terms(genesis, origin)
