"""Epoch packages, and what a member needs beside one: seed and holdings, exit leaves, the opened default fund."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from clearing.base.merkle import DEPTH_MAX
from clearing.schema.records.exits import ExitKind
from clearing.state.record_opening import BUCKET_LEAVES_MAX
from clearing.state.tree import DEPTH
from member.api.types import Address, Body, Decimal, Hash, Id, Natural, SlotName, SmallId

Seed = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="32 bytes; keep it secret")]


class InclusionView(Body, frozen=True):
    """An own account at an epoch's snapshot. Compare the holdings with your own records: the node may err or lie."""

    epoch: Id
    height: Id
    """Of the snapshot."""
    account: Id
    seed: Seed
    """The account's commitment seed, as `crossclear verify --seed-file` takes it."""
    holdings: Annotated[dict[SlotName, Decimal], Meta(max_length=4096)]
    """By slot name, as `crossclear verify --holdings` takes them; what is not named is zero."""
    package: bool
    """Whether this node keeps a package of the epoch: `GET /v1/proofs/{epoch}`."""
    owner: Address = "0x" + "00" * 20
    """The address to which the account's commitment is bound: compare it with your own key's."""
    answer: Annotated[str, Meta(pattern="^([0-9a-f]{2})*$", max_length=2 << 20, description="hex; keep it secret")] = ""
    """All of this, signed by the node: evidence for `crossclear proof accuse`. Empty where the node signs none."""


class SealKeyView(Body, frozen=True):
    """The validators' key for seeds that owners choose: every validator's node states the same."""

    seal_key: Hash
    """X25519 public key, for `crossclear proof rotate-seed`."""


LEAVES_MAX = 4096
TokenAmount = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,77})$", description="in the token's base units")]


ExitKindName: TypeAlias = Literal["account", "withdrawal", "deposit", "refund"]
EXIT_KIND_NAMES: dict[ExitKind, ExitKindName] = {
    ExitKind.ACCOUNT: "account",
    ExitKind.WITHDRAWAL: "withdrawal",
    ExitKind.DEPOSIT: "deposit",
    ExitKind.REFUND: "refund",
}


class ExitLeafView(Body, frozen=True):
    """One payment: the token and the address that it pays. It is hashed as
    salt, kind, epoch, chain_id, vault, number, token, to, amount, account, not_after_s, 32 bytes each. Kinds are 1 to
    4, and the account is that of the answer."""

    index: Id
    """Place among the leaves."""
    kind: ExitKindName
    """`withdrawal`: released and not paid; `deposit`: waits to be credited; `refund`: deposits to be refunded. They
    are paid before accounts."""
    number: Id
    """The account, also that a deposit names, the nonce of the withdrawal, or the number of the vault's refund."""
    chain_id: Id
    vault: Address
    token: Address
    to: Address
    """Of an account: the address that signs for withdrawals from it."""
    amount: TokenAmount
    salt: Hash
    """Keep it secret: with it, an amount can be guessed from the tree."""
    not_after_s: Id
    """Of a withdrawal: the last second in which the vault pays it, without what pauses add; else 0."""
    path: Annotated[tuple[Hash, ...], Meta(max_length=DEPTH_MAX)]
    """Siblings from the leaf to the top."""


class ExitTotalsView(Body, frozen=True):
    """What a vault owes in one token at an epoch, in base units. It is hashed as 0, epoch, chain_id, vault, token,
    accounts, seniors, counted, deposit_cursor, withdrawals_count, then chain_id, vault and token of the next totals,
    32 bytes each; after the last come the first."""

    index: Id
    """Place among the leaves."""
    chain_id: Id
    vault: Address
    token: Address
    accounts: TokenAmount
    """Sum of the payments to accounts."""
    seniors: TokenAmount
    """Sum of the payments that come first."""
    counted: TokenAmount
    """Sum of the deposits up to `deposit_cursor`; the vault refunds later ones."""
    deposit_cursor: Id
    withdrawals_count: Id
    path: Annotated[tuple[Hash, ...], Meta(max_length=DEPTH_MAX)]
    """Siblings from the leaf to the top."""


class RootOpeningView(Body, frozen=True):
    """Shows an exit root in the state of its height, whose module roots are in the header: a record of the state with
    its salt, and the hashes beside it."""

    salt: Hash
    below: Annotated[tuple[Hash, ...], Meta(max_length=BUCKET_LEAVES_MAX)]
    """Leaves of the same bucket, before the record's."""
    above: Annotated[tuple[Hash, ...], Meta(max_length=BUCKET_LEAVES_MAX)]
    path: Annotated[tuple[Hash, ...], Meta(max_length=DEPTH)]
    """Siblings from the bucket to the module's root."""


class ExitView(Body, frozen=True):
    """An own account's payments under the exit root of an epoch, and the totals of all tokens. No payments: there was
    nothing to take out."""

    epoch: Id
    height: Id
    """At which the epoch closed: the state after it has the root, GET /v1/light/{height} the header."""
    header_epoch: Id
    """The epoch before the newest closed one at the answer: headers carried its root, by which vaults pay. 0: none,
    vaults would give deposits back."""
    account: Id
    exit_root: Hash
    """In headers once the next epoch has closed, until the one after it closes."""
    opening: RootOpeningView
    leaf_count: SmallId
    """Of the whole tree; it is inside the root."""
    leaves: Annotated[tuple[ExitLeafView, ...], Meta(max_length=LEAVES_MAX)]
    totals: Annotated[tuple[ExitTotalsView, ...], Meta(max_length=LEAVES_MAX)]
    """All of the tree, in its order: so they also show which tokens have none."""


OpenedSeed = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="32 bytes; of the fund's account, and public")]


class FundScenario(Body, frozen=True):
    """What one stress scenario asked for at the last sizing."""

    name: str
    cover_two_micros: Natural
    largest_or_next_two_micros: Natural


class FundPart(Body, frozen=True):
    """One member's contribution."""

    member: Id
    micros: Natural
    """Paid into the fund."""
    required_micros: Natural
    exposure_micros: Natural
    """Initial margin of all its accounts at the last sizing."""
    called_micros: Natural
    deadline: Id
    """The height by which the call is due; 0: no call."""
    lapsed: bool
    """A deadline has passed already."""
    returned_at: Id
    """The height at which the excess over its requirement is returned; 0: nothing is."""
    status: str
    """active, restricted, defaulting, defaulted or left."""


class FundView(Body, frozen=True):
    """The fund of the newest decided height. Off while `cash_group` is 0."""

    height: Id
    cash_group: SmallId
    epoch: Id
    """After which it was sized last."""
    sized_at: Id
    sizing: str
    """cover_two or largest_or_next_two."""
    scenarios: tuple[FundScenario, ...]
    house_micros: Natural
    """What the house bears before members do."""
    sizes_micros: tuple[Natural, ...]
    """Of the last epochs, the newest last, with the buffer; the target is the largest."""
    target_micros: Natural
    minimum_micros: Natural
    total_micros: Natural
    """What all members have in the fund."""
    parts: tuple[FundPart, ...]
    """Ordered by member."""


class FundOpening(Body, frozen=True):
    """The fund's account at an epoch's snapshot: for `crossclear fund verify`."""

    epoch: Id
    height: Id
    account: Id
    seed: OpenedSeed
    holdings: Annotated[dict[SlotName, Decimal], Meta(max_length=4096)]
    """By slot name; what is not named is zero."""


PACKAGES_MAX = 500


class PackageLine(Body, frozen=True):
    """An epoch package that this node keeps. `sha256`: of the file; two provers of one epoch write different files."""

    epoch: Id
    height: Id
    """Of the snapshot."""
    bytes: Id
    sha256: Hash


class PackagePage(Body, frozen=True):
    """Packages by epoch. `next` is the `after` of the next page; empty at the end."""

    packages: tuple[PackageLine, ...]
    next: str
