"""Governance: proposals, votes, amendments, and what a proposal would do to an account.

Rule: as in `member.api.types`. Proposals, votes and amendments are public, because blocks contain them; the effect on
an account is for its member only.
"""

from member.api.types import Address, Body, Decimal, Hash, Id


class PlaceView(Body, frozen=True):
    """One place of the terms that a proposal changes; values as JSON, empty: nothing stands there."""

    path: str
    present: str
    after: str


class BallotView(Body, frozen=True):
    """How a validator voted last."""

    envelope_key: Hash
    approve: bool
    revision: int
    power: Id
    """In the set in force; 0 for a validator that left."""


class ProposalView(Body, frozen=True):
    """A proposal under way. `amendment`: its canonical bytes, which is what a voter's tool reads."""

    number: Id
    hash: Hash
    kind: str
    amendment: str
    places: tuple[PlaceView, ...]
    reason: str
    proposer: str
    """Envelope key, or `house`."""
    seat: Id
    not_after_ms: Id
    agreed: bool
    made_at: Id
    vote_until_ms: Id
    effective_ms: Id
    """0 until it is agreed."""
    approving: Id
    rejecting: Id
    total: Id
    ballots: tuple[BallotView, ...]


class AmendmentView(Body, frozen=True):
    """An amendment of the terms that took effect."""

    number: Id
    height: Id
    time_ms: Id
    proposal: Hash
    kind: str
    paths: tuple[str, ...]
    head: Hash


class HaltView(Body, frozen=True):
    """An instrument that may only be reduced until a height, or could until then if that is over.

    `halts`: how many the house alone has made of it; the next one names this number.
    """

    instrument: Id
    until_height: Id
    halts: Id


class StruckView(Body, frozen=True):
    """A vault that was detached."""

    chain_id: Id
    vault: Address
    height: Id


class GuardianOrderView(Body, frozen=True):
    """The newest order to a vault, as leaf `nonce` of the withdrawals tree: GET /v1/guardian-orders/{nonce}."""

    nonce: Id
    chain_id: Id
    vault: Address
    guardian: Address
    height: Id
    """At which it was released."""


class ProtocolView(Body, frozen=True):
    """The protocol version that blocks follow, and the scheduled upgrade."""

    version: int = 1
    since_height: Id = 1
    next_version: int = 0
    """0: nothing is scheduled."""
    next_height: Id = 0
    frozen_above: Id = 0
    """Above this height no vote moves or cancels it."""
    release: str = ""
    """The versions that this node's release has."""


class GovernanceView(Body, frozen=True):
    """What can be voted on, and what was."""

    network: Hash
    height: Id
    time_ms: Id
    enabled: bool
    vote_ms: Id
    timelock_ms: Id
    timelock_floor_ms: Id
    proposals: tuple[ProposalView, ...]
    amendments_count: Id
    amendments: tuple[AmendmentView, ...]
    """The newest hundred, the newest last."""
    head: Hash
    halts: tuple[HaltView, ...]
    struck: tuple[StruckView, ...]
    orders: tuple[GuardianOrderView, ...] = ()
    """Ordered by chain and vault."""
    protocol: ProtocolView = ProtocolView()


class AccountStandingView(Body, frozen=True):
    """An account's margin, in micros."""

    equity: Decimal
    initial: Decimal
    maintenance: Decimal
    called: bool
    liquidated: bool


class AccountEffectView(Body, frozen=True):
    """One account as it is, and as it would be."""

    account: Id
    before: AccountStandingView
    after: AccountStandingView


class EffectView(Body, frozen=True):
    """What a proposal would do to the signer's accounts, if it were enacted at this height."""

    proposal: Id
    height: Id
    refusal: str
    """Empty, or why it could not take effect now."""
    accounts: tuple[AccountEffectView, ...]
