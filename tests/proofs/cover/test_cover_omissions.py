"""The cover proof with each absorbed item left out: a fund that covers nothing is shown to cover, and what refuses it.

Rule: as in `test_transcript_omissions`. A quorum has certified, by mistake, that the fund lacks nothing; the accounts,
their proof, the book and the custody are in order, and the two largest members lack more than the fund.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import msgspec
import pytest

from clearing.margin.statement.snapshot import RiskStatement
from proofs.algebra.commitment import blinders, commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.cover.prover import _Link, prove_cover, uncovered_losses
from proofs.cover.terms import (
    BACKING_PROTOCOL,
    CoverParts,
    CoverStatement,
    backing_statement,
    cover_of,
    read_cover,
    write_cover,
)
from proofs.cover.terms import PROTOCOL as COVER
from proofs.cover.verifier import LINK_BYTES, begin_link, draw_weights
from proofs.cover.verifier import PROTOCOL as LINK
from proofs.epoch.package import commitments_root, linear_statement, read_package, write_package
from proofs.epoch.prover import assemble, context_of
from proofs.linear.messages import TAIL_BYTES, part_bytes
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import Witness, make_witness
from proofs.linear.verifier import verify
from proofs.statement.arithmetization import complete_holdings, layout_of
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.forgers.lattice import small_solution
from tests.kit.proofs.forgers.link import LinkForger
from tests.kit.proofs.forgers.weakened import leaving_out, without_names_of_challenges
from tests.kit.proofs.levered import LEVERED, MEMBERS
from tests.kit.proofs.stressed import NETWORK, N, seeds_of, snapshot_of


@dataclass
class World:
    """Accounts in order, and a statement that says too much of the fund."""

    market: SimpleNamespace
    statement: RiskStatement
    witnesses: list[Witness]

    @property
    def accounts(self) -> list[int]:
        return sorted({0, *LEVERED})

    @property
    def commitments(self) -> tuple[tuple[int, bytes], ...]:
        points = basis(N)
        return tuple(
            (account, encode_point(commit(points, each.values, each.blinders)))
            for account, each in zip(self.accounts, self.witnesses, strict=True)
        )

    @property
    def by_account(self) -> dict[int, Witness]:
        return dict(zip(self.accounts, self.witnesses, strict=True))

    @property
    def cover(self) -> CoverStatement:
        found = cover_of(self.statement, self.accounts, N)
        assert found is not None
        return found

    def package(self) -> bytes:
        """Everything proven that is true; the cover proof is not."""
        head = self.market.certified(commitments_root(self.statement, self.commitments, N))
        return assemble(self.statement, self.commitments, self.witnesses, *head, domain=N, check_witness=False)

    def with_cover(self, package: bytes, cover: bytes) -> bytes:
        return write_package(msgspec.structs.replace(read_package(package), cover=cover))

    def transcript(self, package: bytes) -> Transcript:
        """After the accounts' proof."""
        read = read_package(package)
        return verify(linear_statement(read.statement, read.commitments, N), read.proof)

    def backing(self, transcript: Transcript) -> bytes:
        """The fund's account has what it says."""
        statement = backing_statement(self.cover, self.statement, dict(self.commitments)[0], transcript)
        assert statement is not None
        full = self.by_account[0]
        return prove(statement, [make_witness(statement.layout, full.values, 0, full.blinders)])[0]

    def vectors(self, values: Sequence[Sequence[int]]) -> tuple[list[Witness], tuple[bytes, ...]]:
        """Witnesses of V_s with these values, all in range, and their commitments."""
        cover = self.cover
        found = [make_witness(cover.layout, own, 0, (random_scalar(), random_scalar())) for own in values]
        return found, tuple(encode_point(commit(basis(N), each.values, each.blinders)) for each in found)


@pytest.fixture(scope="module")
def world(market: SimpleNamespace) -> World:
    shot = snapshot_of(LEVERED, MEMBERS, fund=10**9)
    (terms,) = shot.statement.cover
    assert all(terms.deficits)
    said = msgspec.structs.replace(terms, deficits=(0,) * len(terms.deficits))
    statement = msgspec.structs.replace(shot.statement, cover=(said,))
    layout, seeds, witnesses = layout_of(statement, N), seeds_of([each.account for each in shot.accounts]), []
    for each in shot.accounts:
        hiding = blinders(seeds[each.account], context_of(statement, each.account))
        witnesses.append(make_witness(layout, complete_holdings(statement, each), each.shortfall, hiding))
    found = World(market, statement, witnesses)
    for slot in found.cover.uncovered:
        assert sum(sorted(uncovered_losses(found.cover, found.by_account, slot))[-2:]) > said.fund
    return found


@pytest.fixture(scope="module")
def plain(world: World) -> bytes:
    """The package whose cover proof does not come out."""
    package = world.package()
    verdict = verify_package(package, network=NETWORK)
    assert verdict.failed == "cover"
    return package


@pytest.mark.parametrize("item", ["C_G", "C_q", "G(omega zeta)", "pi_1", "pi_2"])
def test_without_one_message_of_the_link_a_fund_covers_members_who_lack_nothing_by_its_word(
    world: World, plain: bytes, item: str
) -> None:
    """V_s says that nobody lacks anything, which is in range and in its row, and the link to the accounts is forged."""
    transcript = world.transcript(plain)
    values = [[0] * len(world.cover.layout.table.slots)] * world.cover.stresses
    own, committed = world.vectors(values)
    joint, after = prove(world.cover.statement(committed, transcript), own)

    def forged() -> bytes:
        link = LinkForger(world.cover, own, world.by_account, after).forge(item)
        parts = CoverParts(committed, joint, link, world.backing(transcript))
        return world.with_cover(plain, write_cover(parts))

    with leaving_out(item, protocol=LINK):
        data = forged()
        verdict = verify_package(data, network=NETWORK)
        assert verdict.ok, verdict.checks[-1]
    assert verify_package(data, network=NETWORK).failed == "cover"
    assert verify_package(forged(), network=NETWORK).failed == "cover"


def fitting(world: World, transcript: Transcript) -> list[list[int]]:
    """V_s with x = t = 0 and such e_m in [0, 2^64) that the link closes, for the r and y of this transcript."""
    cover, members = world.cover, len(world.cover.members)
    weights = draw_weights(cover, begin_link(transcript))
    pairs = [(s, m) for s in range(cover.stresses) for m in range(members)]
    joint = [weights.of_stress[s] * weights.of_member[m] for s, m in pairs]
    owed = [uncovered_losses(cover, world.by_account, slot) for slot in cover.uncovered]
    target = -sum(weight * owed[s][m] for weight, (s, m) in zip(joint, pairs, strict=True))
    found = dict(zip(pairs, small_solution(joint, target, 0, 2**64), strict=True))
    return [[*[0] * members, *(found[s, m] for m in range(members)), 0] for s in range(cover.stresses)]


def test_with_weights_of_the_link_known_before_the_vectors_a_lattice_makes_vectors_that_fit(
    world: World, plain: bytes
) -> None:
    """Without its parent, r and y are constants; each e_m is a proper number of 64 bits, and all proofs are honest."""

    def forged() -> bytes:
        transcript = world.transcript(plain)
        vectors = fitting(world, transcript)
        arguments = (world.statement, world.commitments, world.witnesses, N, transcript)
        return world.with_cover(plain, prove_cover(*arguments, vectors=vectors, check_witness=False))

    with leaving_out("parent", protocol=LINK):
        data = forged()
        verdict = verify_package(data, network=NETWORK)
        assert verdict.ok, verdict.checks[-1]
    assert verify_package(data, network=NETWORK).failed == "cover"
    assert verify_package(forged(), network=NETWORK).failed == "cover"


def test_with_one_weight_for_members_and_stresses_losses_move_from_one_to_another(world: World) -> None:
    """Challenges that are drawn without their names are equal: r = y, and r^m·y^s tells only m + s.

    In the first stress only member 0 still lacks something; what member m + 1 lacked, member m lacks in the second.
    """
    cover = world.cover
    first, second = (uncovered_losses(cover, world.by_account, slot) for slot in cover.uncovered)
    moved = [[first[0], *[0] * (len(first) - 1)], [a + b for a, b in zip(second, [*first[1:], 0], strict=True)]]
    true, claimed = (
        [max(0, sum(sorted(owed)[-2:]) - cover.terms.fund) for owed in each] for each in ((first, second), moved)
    )
    assert claimed[0] < true[0]
    said = msgspec.structs.replace(cover.terms, deficits=tuple(claimed))
    liars = World(world.market, msgspec.structs.replace(world.statement, cover=(said,)), world.witnesses)

    def forged() -> bytes:
        package = liars.package()
        arguments = (liars.statement, liars.commitments, liars.witnesses, N, liars.transcript(package))
        vectors = [least_vector(owed) for owed in moved]
        return liars.with_cover(package, prove_cover(*arguments, vectors=vectors, check_witness=False))

    with without_names_of_challenges():
        data = forged()
        verdict = verify_package(data, network=NETWORK)
        assert verdict.ok, verdict.checks[-1]
    assert verify_package(forged(), network=NETWORK).failed == "cover"


def least_vector(owed: Sequence[int]) -> list[int]:
    """V_s for these losses: t is the second largest."""
    t = sorted(owed)[-2]
    x = [max(0, each - t) for each in owed]
    return [*x, *(t + beyond - each for beyond, each in zip(x, owed, strict=True)), t]


def test_with_weights_of_the_link_known_before_the_accounts_commit_they_overstate_until_it_fits(world: World) -> None:
    """Without the package in the proof over the V_s, that proof comes first: r and y are known before any C_W.

    Accounts may overstate what they lack, so each has 63 bits to choose from; the whole package is proven afterwards.
    """
    cover, unused = world.cover, Transcript("crossclear/test/v1")
    members = len(cover.members)

    def forged() -> bytes:
        own, committed = world.vectors([[0] * members + [2**62] * members + [0]] * cover.stresses)
        joint, after = prove(cover.statement(committed, unused), own)
        weights = draw_weights(cover, begin_link(after))
        pairs = [(s, account) for s in range(cover.stresses) for account in cover.number_of]
        factors = [weights.of_stress[s] * weights.of_member[cover.number_of[account]] for s, account in pairs]
        wanted = -(2**62) * sum(y * r for y in weights.of_stress for r in weights.of_member)
        chosen = dict(zip(pairs, small_solution(factors, wanted, 2**60, 2**63), strict=True))
        layout, witnesses = layout_of(world.statement, N), []
        for account, witness in world.by_account.items():
            values = list(witness.values)
            for s, slot in enumerate(cover.uncovered):
                values[slot] = chosen.get((s, account), values[slot])
            witnesses.append(make_witness(layout, values, 0, witness.blinders))
        liars = World(world.market, world.statement, witnesses)
        package = liars.package()
        link = _Link(cover, own, liars.by_account, random_scalar, check=True).run(after)
        backing = liars.backing(liars.transcript(package))
        return world.with_cover(package, write_cover(CoverParts(committed, joint, link, backing)))

    with leaving_out("parent", protocol=COVER):
        data = forged()
        verdict = verify_package(data, network=NETWORK)
        assert verdict.ok, verdict.checks[-1]
    assert verify_package(data, network=NETWORK).failed == "cover"
    assert verify_package(forged(), network=NETWORK).failed == "cover"


def test_without_the_package_in_the_backing_it_is_replayed_and_nothing_else(market: SimpleNamespace) -> None:
    """The statement of the backing names C_W, the rows and the fund, so what is replayed is true all the same."""
    good = snapshot_of(LEVERED, MEMBERS)
    layout = layout_of(good.statement, N)
    witnesses = [
        make_witness(layout, complete_holdings(good.statement, each), each.shortfall, (3, each.account))
        for each in good.accounts
    ]
    fine = World(market, good.statement, witnesses)

    def moved() -> bytes:
        """A package with the backing that was made for another one."""
        one, two = fine.package(), fine.package()
        cover, statement = fine.cover, backing_statement(fine.cover, good.statement, bytes(48), fine.transcript(one))
        assert statement is not None
        size = part_bytes(statement.layout.columns) + TAIL_BYTES
        first, second = (read_cover(read_package(each).cover, cover, LINK_BYTES, size) for each in (one, two))
        parts = CoverParts(second.commitments, second.joint, second.link, first.backing)
        assert verify_package(two, network=NETWORK).ok
        return fine.with_cover(two, write_cover(parts))

    with leaving_out("parent", protocol=BACKING_PROTOCOL):
        assert verify_package(moved(), network=NETWORK).ok
    assert verify_package(moved(), network=NETWORK).failed == "cover"
