"""Attestations: what a verified file leaves to somebody's word, each by its name and its value.

Rule: whatever moves a verdict and follows from nothing that is checked is here, once, under a name of its own: no name
of a stranger can hide another value. The word is the quorum's but for `OF_THE_FILE`. Values are whole numbers, or a
hash in 64 hexadecimal digits. What the terms let be there and the quorum leaves out is named, too: a mark, in whose
place index or forward counts, as `unmarked` with 1, an average so far with 0, and with the genesis a live surface with
0 and the moves of history as none. Without a trusted genesis the whole
rulebook and the vaults are its word, too. It must not judge them: bounds are those of `proofs.statement`.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from clearing.base.codec import encode, encode_trimmed, u256
from clearing.base.hashing import tagged_hash
from clearing.margin.statement.snapshot import CustodyTerm, SlotKind
from proofs.epoch.package import EpochPackage, accounts_root
from proofs.statement.custody import CustodyAssurance, custody_assurances
from proofs.verify.verdict import Attested, printable

if TYPE_CHECKING:
    from clearing.margin.statement.rulebook import Rulebook
    from clearing.schema.risk.parameters import RiskGroup
    from clearing.schema.terms.genesis import Genesis

CUSTODY_WORDS = ("released", "later", "strays", "dust")
"""Fields of a custody term that no chain's state shows one by one."""
UNPROVEN_WORDS = {
    CustodyAssurance.ATTESTED: ("deposited", "withdrawn", "balance"),
    CustodyAssurance.COUNTERS_PROVEN: ("balance",),
    CustodyAssurance.PROVEN: (),
}
"""Those that this term's evidence does not show."""
JOINT_TAG = "crossclear/joint-credit/v1"
JOINT_FIELDS = 4
"""First fields that are always hashed."""
HISTORY_TAG = "crossclear/historical-moves/v1"
MEMBERS_TAG = "crossclear/members-of-accounts/v1"
RULEBOOK_TAG = "crossclear/stated-rulebook/v1"
VAULTS_TAG = "crossclear/stated-vaults/v1"
POSSESSIONS_TAG = "crossclear/evm-possessions/v1"
OF_THE_FILE = "evm_possessions"
"""The name of the value that the maker of the file chose: an EVM key can sign one message in many ways, all valid, and
the set's hash has the address alone."""


def attested_of_answer(package: EpochPackage) -> tuple[Attested, ...]:
    """The same of a signed answer, beside which nobody compares the rulebook: it is not read, and is the quorum's word
    as a whole, with a trusted genesis, too."""
    return (*_when(package), _rulebook_hash(package), _possessions(package))


def attested(
    package: EpochPackage, *, of_account: bool = False, genesis: "Genesis | None" = None
) -> tuple[Attested, ...]:
    """(name, value) of all that a checked package leaves to a word.

    `of_account`: of a standalone proof, which says nothing of custody and of the default fund. `genesis`: the trusted
    one, as amended. Amounts of custody are base units; `index`, `settled` and `mark` are ticks; `block` is the hash of
    a block whose state proves custody, `block_time_s` its header's time in seconds; `backs_cash` is 1 or 0;
    `accounts_root` is that of the list of commitments, whose content nobody but each account's owner can check.
    """
    from clearing.margin.statement.rulebook import read_rulebook

    statement = package.statement
    found: list[Attested] = list(_when(package))
    if not of_account:
        found.append(("accounts_root", accounts_root(package.commitments).hex()))
    found += _of_rulebook(read_rulebook(statement.rules, len(statement.slots)), genesis)
    if genesis is None:
        found.append(_rulebook_hash(package))
    if not of_account:
        if genesis is None:
            found.append(("vaults", tagged_hash(VAULTS_TAG, *map(_vault_words, statement.custody)).hex()))
        found += (("members", tagged_hash(MEMBERS_TAG, encode(terms.members)).hex()) for terms in statement.cover)
        found += _of_custody(package, genesis)
    found.append(_possessions(package))
    return tuple(_named_apart(found))


def _when(package: EpochPackage) -> Iterator[Attested]:
    statement, header = package.statement, package.header
    yield "header_time_ms", header.time_ms
    yield "header_height", header.height
    yield "snapshot_height", statement.height
    yield "epoch", statement.epoch


def _rulebook_hash(package: EpochPackage) -> Attested:
    return "rulebook", tagged_hash(RULEBOOK_TAG, package.statement.rules).hex()


def _possessions(package: EpochPackage) -> Attested:
    signatures = b"".join(validator.evm_possession for validator in package.validators.validators)
    return OF_THE_FILE, tagged_hash(POSSESSIONS_TAG, signatures).hex()


def _of_rulebook(book: "Rulebook", genesis: "Genesis | None" = None) -> Iterator[Attested]:
    yield "valuation_time_ms", book.time_ms
    yield from ((f"{'index' if feed.used else 'settled'}:{feed.name}", feed.ticks) for feed in book.feeds)
    names = {instrument.id: instrument.name for instrument in book.instruments}
    yield from ((f"mark:{names[mark.instrument]}", mark.ticks) for mark in book.marks)
    marked = {mark.instrument for mark in book.marks}
    yield from ((f"unmarked:{name}", 1) for instrument, name in names.items() if instrument not in marked)
    for average in book.averages:
        place = names[average.instrument]
        yield f"average_ticks_ms:{place}", int.from_bytes(average.weighted_ticks, "big")
        yield f"average_covered_ms:{place}", average.covered_ms
    yield from ((f"average_covered_ms:{name}", 0) for name in _missing_averages(book))
    for token in book.tokens:
        place = f"{token.chain_id}:{token.name}"
        yield f"haircut_ppm:{place}", token.haircut_ppm
        if token.yields.feed:
            yield f"rate_ticks:{place}", token.rate_ticks
    for group in book.parameters.groups:
        yield f"range_ppm:{group.name}", group.range_ppm
        yield f"volatility_ppm:{group.name}", group.volatility_ppm
        yield f"volatility_range_ppm:{group.name}", group.volatility_range_ppm
        yield from _of_surface(group)
        if not group.curve and genesis is not None and any(terms.group == group.id for terms in genesis.surfaces):
            yield f"live_surface:{group.name}", 0
    joint = book.parameters.joint
    if joint.scenarios:
        yield "joint_credit", tagged_hash(JOINT_TAG, encode_trimmed(joint, {type(joint): JOINT_FIELDS})).hex()
    moves = genesis is not None and genesis.ranges.enabled and genesis.ranges.historical_scenarios
    if book.parameters.history.scenarios or moves:
        yield "historical_moves", tagged_hash(HISTORY_TAG, encode(book.parameters.history)).hex()


def _missing_averages(book: "Rulebook") -> Iterator[str]:
    """Names of the options whose window has begun, and of whose average nothing is stated."""
    if not book.parameters.averaged_options:
        return
    stated = {average.instrument for average in book.averages}
    for option in book.instruments:
        begun = option.averaging_ms and book.time_ms > option.expiry_ms - option.averaging_ms
        if option.is_option and begun and option.id not in stated:
            yield option.name


def _of_surface(group: "RiskGroup") -> Iterator[Attested]:
    """A live surface: forwards in 10^-9 of the index and rates by expiry, and its smiles by their number."""
    if not group.curve:
        return
    for carry in group.curve:
        place = f"{group.name}:{carry.expiry_ms}"
        yield f"forward_ppb:{place}", carry.forward_ppb
        yield f"rate_ppm:{place}", carry.rate_ppm
    for number, pillar in enumerate(group.surface, start=1):
        place = f"{group.name}:{number}"
        yield f"level_ppm:{place}", pillar.level_ppm
        yield f"skew_ppm:{place}", pillar.skew_ppm
        yield f"wing_ppm:{place}", pillar.wing_ppm


def _of_custody(package: EpochPackage, genesis: "Genesis | None") -> Iterator[Attested]:
    """Each block once: `proofs.statement.custody` refuses two hashes of one number; and its time, where its header is
    shown: no check bounds how old it is. Counters and balance where no chain's state proves them. Whether a cash token
    that may leave its group backs cash: with a genesis either form passes, and without one `vaults` has the slot."""
    terms, slots = package.statement.custody, package.statement.slots
    yield from {f"block:{term.chain_id}:{term.block_number}": term.block_hash.hex() for term in terms}.items()
    numbers = {(term.chain_id, term.block_hash): term.block_number for term in terms}
    for shown in package.custody:
        yield f"block_time_s:{shown.chain_id}:{numbers[shown.chain_id, shown.block_hash]}", shown.time_s
    assets = () if genesis is None else genesis.assets
    guarded = {(asset.chain_id, asset.vault, asset.token) for asset in assets if asset.has_depeg_guard}
    for term, assurance in zip(terms, custody_assurances(package.statement, package.custody), strict=True):
        place = f"{term.chain_id}:0x{term.vault.hex()}:0x{term.token.hex()}"
        if (term.chain_id, term.vault, term.token) in guarded:
            yield f"backs_cash:{place}", int(slots[term.slot].kind is SlotKind.CASH)
        for name in (*CUSTODY_WORDS, *UNPROVEN_WORDS[assurance]):
            yield f"{name}:{place}", int.from_bytes(getattr(term, name), "big")


def _vault_words(term: CustodyTerm) -> bytes:
    """What a genesis lists of a custody term, 8 words: chain, vault, token, slot, unit, and where balances are."""
    place = (u256(term.balances.order), term.balances.slot, u256(term.balances.bits))
    return b"".join(
        (u256(term.chain_id), _word(term.vault), _word(term.token), u256(term.slot), u256(term.unit), *place)
    )


def _word(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


def _named_apart(found: Iterable[Attested]) -> Iterator[Attested]:
    """The names as they are printed; one that is printed like an earlier one gets a number. O(names), however alike."""
    used: set[str] = set()
    numbers: dict[str, int] = {}
    """The number that each repeated name had last: all below it are taken."""
    for name, value in found:
        plain = shown = printable(name)
        while shown in used:
            numbers[plain] = numbers.get(plain, 1) + 1
            shown = f"{plain} ({numbers[plain]})"
        used.add(shown)
        yield shown, value
