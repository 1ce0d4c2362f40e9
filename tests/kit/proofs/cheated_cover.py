"""A prover that lies about the default fund: honest in all of a package but the cover proof and what it bends."""

from dataclasses import dataclass, field
from itertools import accumulate

import msgspec

from proofs.algebra.commitment import blinders
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inverse, scalar_bytes
from proofs.algebra.group import encode_point
from proofs.algebra.polynomial import Masked, Poly, polynomial, scale_argument
from proofs.algebra.srs import CEREMONY_SHA256, basis
from proofs.cover import prover as honest
from proofs.cover.prover import prove_cover, uncovered_losses
from proofs.cover.terms import CoverStatement, cover_of
from proofs.cover.verifier import LINK_BYTES, after_openings, after_running_sum, begin_link, draw_weights, public_values
from proofs.epoch.matched_book import open_book
from proofs.epoch.package import FORMAT, EpochPackage, commitments_root, linear_statement, write_package
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import Witness, make_witness
from proofs.statement.arithmetization import auxiliary_slots, complete_holdings, context_of, layout_of
from tests.kit.proofs.cheating import commit_poly
from tests.kit.proofs.stressed import N, seeds_of

replace = msgspec.structs.replace


def lying(statement, **changes):
    """By default, that nothing is lacking."""
    terms = statement.cover[0]
    return replace(statement, cover=(replace(terms, **({"deficits": (0,) * len(terms.deficits)} | changes)),))


@dataclass
class Forger:
    """Proves all but the cover honestly, and of the cover whatever it is told to."""

    shot: object
    shown: object = None
    account_lies: dict = field(default_factory=dict)

    def __post_init__(self):
        self.shown = self.shown or lying(self.shot.statement)
        layout, keys = layout_of(self.shown, N), seeds_of([each.account for each in self.shot.accounts])
        self.witnesses = []
        for each in self.shot.accounts:
            full = list(complete_holdings(self.shown, each))
            for slot, value in self.account_lies.get(each.account, {}).items():
                full[slot] = value
            hiding = blinders(keys[each.account], context_of(self.shown, each.account, each.owner))
            self.witnesses.append(make_witness(layout, full, each.shortfall, hiding, check=False))
        points = basis(N)
        self.commitments = tuple(
            (each.account, encode_point(honest.commit(points, w.values, w.blinders)))
            for each, w in zip(self.shot.accounts, self.witnesses, strict=True)
        )
        self.by_account = {account: w for (account, _), w in zip(self.commitments, self.witnesses, strict=True)}

    @property
    def cover(self) -> CoverStatement:
        return cover_of(self.shown, [account for account, _ in self.commitments], N)

    def owed(self) -> list[list[int]]:
        """U_m in each scenario."""
        return [uncovered_losses(self.cover, self.by_account, slot) for slot in self.cover.uncovered]

    def made(self, market, cover=None, vectors=None) -> bytes:
        """The package; `cover` makes the cover proof's bytes out of the transcript."""
        linear = linear_statement(self.shown, self.commitments, N)
        proof, transcript = prove(linear, self.witnesses, check_witness=False)
        auxiliary = auxiliary_slots(self.shown)
        exponents = [sum(w.blinders[i] for w in self.witnesses) for i in range(2)]
        exponents += [sum(w.values[slot] for w in self.witnesses) for slot in auxiliary]
        totals = [(total.slot, total.total) for total in self.shown.totals]
        book = open_book(basis(N), auxiliary, totals, exponents, transcript, random_scalar)
        if cover is None:
            made = prove_cover(
                self.shown, self.commitments, self.witnesses, N, transcript, check_witness=False, vectors=vectors
            )
        else:
            made = cover(transcript)
        head = market.certified(commitments_root(self.shown, self.commitments, N))
        parts = (FORMAT, *head, CEREMONY_SHA256, N, self.shown, self.commitments, proof, book, made)
        return write_package(EpochPackage(*parts))


@dataclass
class ForgedLink:
    """The link for vectors that satisfy their ranges and their row, and are not the accounts'."""

    forger: Forger
    way: str

    def __call__(self, transcript) -> bytes:
        cover, size = self.forger.cover, N
        points = basis(size)
        own = [
            make_witness(cover.layout, [0] * (2 * len(owed) + 1), 0, [random_scalar(), random_scalar()])
            for owed in self.forger.owed()
        ]
        committed = [encode_point(honest.commit(points, w.values, w.blinders)) for w in own]
        joint, after = prove(cover.statement(committed, transcript), own)
        whole = prove_cover(self.forger.shown, self.forger.commitments, self.forger.witnesses, N, transcript,
                            check_witness=False)  # fmt: skip
        backing = whole[len(b"".join(committed)) + cover.proof_bytes + LINK_BYTES :]
        return b"".join((*committed, joint, self.link(cover, own, after), backing))

    def link(self, cover: CoverStatement, own: list[Witness], after) -> bytes:
        transcript, domain = begin_link(after), domain_of(N)
        weights = draw_weights(cover, transcript)
        v = self.combined(own, weights.of_stress)
        k = self.combined(
            [self.forger.by_account[account] for account in cover.number_of],
            [weights.of_member[number] for number in cover.number_of.values()],
        )
        a = Masked([*weights.a, *[0] * (N - len(weights.a))], []).poly()
        b = Masked([weights.b.get(slot, 0) for slot in range(N)], []).poly()
        rest = b * k - a * v
        steps = [-int(rest(root)) for root in domain.roots]
        share = sum(steps) * inverse(N) % ORDER if self.way == "spread" else 0
        sums = [value % ORDER for value in accumulate((step - share for step in steps), initial=0)][:-1]
        g = Masked(sums, [random_scalar() for _ in range(3)]).poly()
        quotient = divided(scale_argument(g, domain.omega) - g + rest)
        c_g, c_q = commit_poly(g), commit_poly(quotient)
        zeta = after_running_sum(transcript, c_g, c_q)
        a_bar, b_bar = public_values(cover, weights, zeta)
        linear = k * b_bar - v * a_bar - g - quotient * domain.vanishing(zeta)
        g_bar = int(g(domain.omega * zeta % ORDER))
        if self.way == "evaluation":
            g_bar = -int(linear(zeta)) % ORDER
            assert int((linear + g_bar)(zeta)) == 0
        pi_1, pi_2 = commit_poly(over(linear, zeta)), commit_poly(over(g, domain.omega * zeta % ORDER))
        after_openings(transcript, g_bar, pi_1, pi_2)
        return b"".join((c_g, c_q, scalar_bytes(g_bar), pi_1, pi_2))

    def combined(self, witnesses, weights) -> Poly:
        total = polynomial([])
        for witness, weight in zip(witnesses, weights, strict=True):
            held = Masked([*witness.values, *[0] * (N - len(witness.values))], list(witness.blinders))
            total += held.poly() * weight
        return total


def divided(poly: Poly) -> Poly:
    """Over Z_H, without the remainder."""
    found = [int(each) for each in poly.coeffs()]
    for at in range(len(found) - 1, N - 1, -1):
        found[at - N] += found[at]
    return polynomial(found[N:])


def over(poly: Poly, root: int) -> Poly:
    return polynomial(honest.divide_by_root(poly, root))
