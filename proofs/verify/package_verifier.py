"""The verifier of epoch packages: bytes in, one named result per check out. Pure, offline, from the file alone.

Rule: checks run in a fixed order and stop at the first that fails, whose name is the answer. A check of custody or
cover that cannot be made for lack of evidence stops nothing, and the verdict says so:
encoding → certificate → sizes → roots → freshness (at a stated time) → statement → ranges_and_rows → matched_book →
reserves → custody → cover → house → rules → inclusion (for an own account).
It must import neither provers nor anything that talks to a network.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clearing.base.certificate import verify_finality
from clearing.base.errors import RemoteFault
from clearing.base.validators import check_validator_set
from clearing.genesis.custody_listing import ListedCustody, listed_custody
from clearing.margin.statement.snapshot import AccountHoldings, SlotKind
from proofs.algebra.commitment import commit_holdings
from proofs.algebra.group import Point
from proofs.algebra.many_points import decode_points
from proofs.algebra.srs import CEREMONY_SHA256, basis
from proofs.algebra.transcript import Transcript
from proofs.cover.verifier import check_cover
from proofs.epoch.epoch_number import check_epoch_number
from proofs.epoch.house_solvency import check_house
from proofs.epoch.matched_book import verify_book
from proofs.epoch.package import EpochPackage, commitments_root, linear_statement, read_package
from proofs.errors import Inconclusive, ProofCode, VerificationFailed
from proofs.linear.messages import check_length
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import verify as verify_linear
from proofs.statement.arithmetization import auxiliary_slots, check_statement, complete_holdings, context_of
from proofs.statement.custody import CustodyAssurance, check_custody, check_listed, check_reserves, custody_detail
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.attestations import attested
from proofs.verify.claim_text import attested_limit, claim_of, limits_of
from proofs.verify.freshness import Freshness, check_freshness, freshness_limits, outside_of_age
from proofs.verify.inclusion import check_commitments_differ
from proofs.verify.package_sizes import check_sizes
from proofs.verify.verdict import Clock, NamedCheck, OwnAccount, Verdict, failed, passed, printable, run_checks

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis

__all__ = ["PackageChecks", "verify_package"]


def verify_package(
    data: bytes,
    *,
    network: bytes | None = None,
    validators_hash: bytes | None = None,
    listed: frozenset[ListedCustody] | None = None,
    own: OwnAccount | None = None,
    genesis: "Genesis | None" = None,
    clock: Clock | None = None,
    freshness: Freshness | None = None,
) -> Verdict:
    """Check a package's bytes.

    `network`, `validators_hash`, `listed` (`clearing.genesis.custody_listing`) and `genesis` are what the caller
    trusts; without them the package's own are taken, and the limits say so. The genesis is a checked one, as amended:
    stated parameters and custody are compared with it. `freshness` states the time and how old the package may be;
    without it, its age is not checked, and the limits say so. Never raises for bad input.
    """
    started = clock() if clock is not None else 0.0
    if genesis is not None and listed is None:
        listed = listed_custody(genesis)
    try:
        package = read_package(data)
    except RemoteFault as fault:
        return Verdict((failed("encoding", fault),))
    seconds = clock() - started if clock is not None else 0.0
    checks = PackageChecks(
        package, network, validators_hash, own, listed, genesis=genesis, freshness=freshness
    ).in_order()
    encoding = replace(passed("encoding", f"{len(data)} bytes, canonical"), seconds=seconds)
    results = (encoding, *run_checks(checks, clock))
    verdict = Verdict(
        results,
        height=package.statement.height,
        network=package.statement.network,
        epoch=package.statement.epoch,
        not_run=tuple(name for name, _ in checks[len(results) - 1 :]),
        package=package,
    )
    if not verdict.ok:  # nothing in it may be believed, so there is no claim
        return verdict
    known = {"listed": listed is not None, "with_genesis": genesis is not None}
    trusted = validators_hash is not None
    words = attested(package, genesis=genesis)
    limits = (
        *limits_of(package, trusted=trusted, **known),
        *freshness_limits(freshness, trusted=trusted),
        attested_limit(words),
    )
    return replace(
        verdict, claim=printable(claim_of(package)), not_proven=tuple(map(printable, limits)), attested=words
    )


@dataclass
class PackageChecks:
    """The checks of one package: each is a method that returns its result as text, or raises.

    Later checks use what earlier ones computed. A new check is a method and a line in `in_order`;
    `proofs.verify.claim_text.MEANINGS` says what it means.
    """

    package: EpochPackage
    network: bytes | None = None
    validators_hash: bytes | None = None
    own: OwnAccount | None = None
    listed: frozenset[ListedCustody] | None = None
    genesis: "Genesis | None" = None
    linear: LinearStatement | None = None
    points: list[Point] = field(default_factory=list)
    transcript: Transcript | None = None
    freshness: Freshness | None = None

    def in_order(self) -> list[NamedCheck]:
        """All checks after `encoding`, in the order in which they run."""
        found: list[NamedCheck] = [
            ("certificate", self.certificate),
            ("sizes", self.sizes),
            ("roots", self.roots),
            *self._of_freshness(),
            ("statement", self.statement),
            ("ranges_and_rows", self.ranges_and_rows),
            ("matched_book", self.matched_book),
            ("reserves", self.reserves),
            ("custody", self.custody),
            ("cover", self.cover),
            ("house", self.house),
            ("rules", self.rules),
        ]
        return [*found, ("inclusion", self.inclusion)] if self.own is not None else found

    def of_public_part(self) -> list[NamedCheck]:
        """The checks that any proof about the package's rows and commitments depends on."""
        return [
            ("certificate", self.certificate),
            ("roots", self.roots),
            *self._of_freshness(),
            ("statement", self.statement),
            ("rules", self.rules),
        ]

    def _of_freshness(self) -> list[NamedCheck]:
        wanted = self.freshness
        if wanted is None:
            return []
        return [("freshness", lambda: check_freshness(self.package.header, self.package.statement, wanted))]

    def certificate(self) -> str:
        """A quorum of the validator set signed the header."""
        package = self.package
        # Its size too, before the hash decodes every key.
        check_validator_set(package.validators)
        if self.validators_hash is not None and package.validators.hash != self.validators_hash:
            raise VerificationFailed(ProofCode.WRONG_NETWORK, "validator set", stated=package.validators.hash)
        trusted = package.header.network if self.network is None else self.network
        verify_finality(package.header, package.certificate, package.validators, trusted)
        final = f"header {package.header.height} is final under {len(package.validators.validators)} validators"
        if self.validators_hash is None or self.network is None:
            return Inconclusive(f"{final}, whom the file itself names")
        return final

    def sizes(self) -> str:
        """All lengths and counts fit each other: nothing costs more than its bytes."""
        check_sizes(self.package)
        return f"the proofs have the lengths that {len(self.package.commitments)} accounts demand"

    def roots(self) -> str:
        """The header carries the root of statement and commitments."""
        package, header = self.package, self.package.header
        found = commitments_root(package.statement, package.commitments, package.domain)
        if found != header.commitments_root:
            raise VerificationFailed(
                ProofCode.WRONG_ROOT, "commitments root", certified=header.commitments_root, found=found
            )
        if package.statement.height != header.commitments_height or package.statement.height >= header.height:
            raise VerificationFailed(ProofCode.WRONG_ROOT, "snapshot height", certified=header.commitments_height)
        if package.statement.network != header.network:
            raise VerificationFailed(ProofCode.WRONG_NETWORK, "statement", stated=package.statement.network)
        if package.statement.epoch != header.epoch:
            raise VerificationFailed(
                ProofCode.EPOCH_DIFFERS, "statement", stated=package.statement.epoch, certified=header.epoch
            )
        check_epoch_number(package.statement.epoch, package.statement.height, "statement")
        check_commitments_differ(package.commitments)
        return f"{len(package.commitments)} commitments and the statement are the certified ones"

    def statement(self) -> str:
        """The statement is well formed and its rows are the whole rule."""
        package = self.package
        if package.srs != CEREMONY_SHA256:
            raise VerificationFailed(ProofCode.WRONG_SRS, "package", stated=package.srs)
        check_statement(package.statement)
        self.linear = linear_statement(package.statement, package.commitments, package.domain)
        self.linear.transcript()
        return f"{len(package.statement.slots)} slots, {len(package.statement.rows)} rows, well formed"

    def ranges_and_rows(self) -> str:
        """The joint proof."""
        if self.linear is None:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "no statement")
        check_length(self.package.proof, len(self.linear.accounts), self.linear.layout.columns)
        self.points = decode_points(self.linear.commitments, ("C_W",))
        self.transcript = verify_linear(self.linear, self.package.proof, self.points)
        return f"every slot and row of {len(self.points)} accounts lies in its range"

    def matched_book(self) -> str:
        """The Schnorr opening of the sum of all commitments."""
        if self.transcript is None:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "no transcript")
        statement = self.package.statement
        for total in statement.totals:
            if statement.slots[total.slot].kind is SlotKind.POSITION and total.total != 0:
                raise VerificationFailed(
                    ProofCode.BOOK_NOT_MATCHED, statement.slots[total.slot].name, total=total.total
                )
        totals = [(total.slot, total.total) for total in statement.totals]
        points = basis(self.package.domain)
        verify_book(points, auxiliary_slots(statement), totals, self.points, self.package.book, self.transcript)
        return f"holdings sum to the public total in each of {len(totals)} slots, to zero in every instrument"

    def reserves(self) -> str:
        """Custody covers the totals."""
        return check_reserves(self.package.statement)

    def custody(self) -> str:
        """The chains' states prove the custody numbers, as far as the package has evidence."""
        statement = self.package.statement
        found = check_custody(statement, self.package.custody)
        detail = custody_detail(found) + (check_listed(statement, self.listed) if self.listed is not None else "")
        missed = outside_of_age((shown.time_s for shown in self.package.custody), self.freshness)
        whole = not missed and all(assurance is CustodyAssurance.PROVEN for assurance in found)
        return detail + missed if whole else Inconclusive(detail + missed)

    def cover(self) -> str:
        """The default fund covers the two largest members' uncovered losses, where stress scenarios are stated."""
        package = self.package
        if self.transcript is None:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "no transcript")
        detail = check_cover(
            package.statement, package.commitments, self.points, package.domain, package.cover, self.transcript
        )
        return detail if package.statement.cover else Inconclusive(detail)

    def house(self) -> str:
        """The house itself owes no cash, if the package proves it."""
        package = self.package
        if self.transcript is None:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "no transcript")
        accounts = package.commitments
        return check_house(package.statement, accounts, self.points, package.domain, package.house, self.transcript)

    def rules(self) -> str:
        """Slots, rows and prices are those of the stated parameters, and with a genesis these are its own."""
        package = self.package
        return check_rulebook(
            package.statement, self.genesis, certified_ms=package.header.time_ms, network=self.network
        )

    def inclusion(self) -> str:
        """The own account is in the certified list."""
        own, statement = self.own, self.package.statement
        if own is None:
            raise VerificationFailed(ProofCode.NOT_INCLUDED, "no account given")
        certified = dict(self.package.commitments).get(own.account)
        if certified is None:  # also for a number that is none of an account
            raise VerificationFailed(ProofCode.NOT_INCLUDED, f"account {own.account}")
        values = complete_holdings(statement, AccountHoldings(own.account, own.values))
        context = context_of(statement, own.account, own.owner)
        if certified != commit_holdings(basis(self.package.domain), values, own.seed, context):
            # Never what was recomputed: beside the certified C_W, which has the same blinders, it would reveal to
            # onlookers by how much the holdings are wrong.
            raise VerificationFailed(ProofCode.NOT_INCLUDED, f"account {own.account}")
        return f"account {own.account} is in the certified list with exactly these holdings"
