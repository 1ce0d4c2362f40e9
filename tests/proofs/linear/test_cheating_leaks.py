"""What a careless prover gives away, shown by recovering it; and that the real one's messages do not.

An onlooker here knows what is public and can try guesses: holdings are small numbers. Nothing else is assumed broken.
"""

from dataclasses import dataclass, replace
from itertools import product

import pytest

from clearing.base.errors import LocalFault
from clearing.margin.statement.snapshot import AccountHoldings
from proofs.algebra.commitment import CommitmentContext, commit_holdings
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inner_product, inverse
from proofs.algebra.group import Point, decode_point, encode_point, infinity, multi_scalar, multiply
from proofs.algebra.srs import Basis, basis
from proofs.algebra.transcript import Transcript
from proofs.epoch.matched_book import open_book, verify_book
from proofs.epoch.package import read_package
from proofs.errors import ProofCode
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.messages import read_proof
from proofs.linear.prover import prove, prove_shards, random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import LinearStatement, make_witness
from proofs.linear.verifier import Equation
from proofs.statement.arithmetization import auxiliary_slots, complete_holdings, context_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.cheating import CheatingProver, Secret, believed, bytes_of, proven, secret, state
from tests.kit.refusals import refused

N = 256
POINTS = basis(N)
CONTEXT = CommitmentContext(bytes(32), 1, 4, bytes([9]) * 32)
SEED = bytes([3]) * 32
MOST = 60


def moved(before: bytes, after: bytes, slots: int = 6, points: Basis = POINTS) -> tuple[int, int] | None:
    """(slot, by how much) if two commitments differ by a small change of one slot: what an onlooker can try."""
    difference = decode_point(after, "") + -decode_point(before, "")
    for slot in range(slots):
        running = infinity()
        for change in range(1, MOST):
            running = running + points.lagrange[slot]
            if difference == running:
                return slot, change
            if difference == -running:
                return slot, -change
    return None


def test_blinders_used_in_two_epochs_would_show_what_was_traded():
    before, after = (5_000, 10, 3), (5_000, 10, -34)
    same = [commit_holdings(POINTS, values, SEED, CONTEXT) for values in (before, after)]
    assert moved(*same) == (2, -37)
    later = commit_holdings(POINTS, after, SEED, replace(CONTEXT, epoch=5))
    assert moved(same[0], later) is None


def test_blinders_used_for_two_accounts_would_show_by_what_they_differ():
    one, other = (5_000, 10, 3), (5_000, 22, 3)
    same = [commit_holdings(POINTS, values, SEED, CONTEXT) for values in (one, other)]
    assert moved(*same) == (1, 12)
    assert moved(same[0], commit_holdings(POINTS, other, SEED, replace(CONTEXT, account=2))) is None


@pytest.mark.parametrize(
    "change", [{"network": bytes([1]) * 32}, {"account": 2}, {"epoch": 5}, {"state_root": bytes(32)}, {"column": 1}]
)
def test_blinders_are_bound_to_everything_that_tells_two_commitments_apart(change):
    """Equal holdings too must look different, or it would show that nothing was traded."""
    first = commit_holdings(POINTS, (5, 0, 3), SEED, CONTEXT)
    other = commit_holdings(POINTS, (5, 0, 3), SEED, replace(CONTEXT, **change))
    assert first != other
    assert moved(first, other) is None


@dataclass
class Seen:
    """What a proof shows of one digit column: C_D and D̄ at ζ."""

    c_d: bytes
    zeta: int
    d_bar: int


def seen(statement: LinearStatement, proof: bytes) -> Seen:
    parsed = read_proof(proof, len(statement.accounts), statement.layout.columns)
    equation = Equation(statement, parsed, [])
    equation.draw(statement.transcript())
    return Seen(parsed.parts[0].c_d[0], equation.zeta, parsed.parts[0].d_bar[0])


LAYOUT = lay_out(N, (SlotRange(7, 0), SlotRange(5, 2**39)), (RowRange(8, ((0, 1), (1, -3)), 10, shortfall=False),))
HELD = (41, -7)
GUESSES = tuple(product(range(39, 44), range(-9, -4)))


def masked_value(guess, at: Seen) -> int:
    """(b_0 + b_1·ζ) if the guess is right: D̄ less what the digits give, over Z_H(ζ)."""
    domain = domain_of(N)
    (digits,) = bytes_of(LAYOUT, guess)
    rest = at.d_bar - inner_product(digits, [value % ORDER for value in domain.lagrange(at.zeta, N)])
    return rest * inverse(domain.vanishing(at.zeta)) % ORDER


def commitment_of(guess, hiding) -> bytes:
    (digits,) = bytes_of(LAYOUT, guess)
    return encode_point(multi_scalar([*POINTS.lagrange, *POINTS.hiding[: len(hiding)]], [*digits, *hiding]))


def told_by_two(first: Seen, second: Seen) -> list[tuple[int, ...]]:
    """The guesses that fit both: two evaluations give both blinders, and C_D tells whether they are right."""
    fitting = []
    for guess in GUESSES:
        one, two = masked_value(guess, first), masked_value(guess, second)
        b_1 = (one - two) * inverse(first.zeta - second.zeta) % ORDER
        if commitment_of(guess, [(one - b_1 * first.zeta) % ORDER, b_1]) == first.c_d == second.c_d:
            fitting.append(guess)
    return fitting


class Kept(CheatingProver):
    """Keeps C_D from one proof to the next."""

    def __init__(self, statement, secrets, kept=None):
        super().__init__(statement, secrets)
        self.kept = kept

    def hide(self, values, blinders=None):
        if self.kept is not None and list(values) == self.secrets[0].digits[0]:
            return self.kept
        return super().hide(values, blinders)


def test_digit_blinders_shared_by_a_joint_and_a_standalone_proof_would_show_the_holdings():
    own, other = secret(LAYOUT, HELD), secret(LAYOUT, (5, 0))
    joint, alone = state(LAYOUT, [own, other]), state(LAYOUT, [own], context=bytes([1]) * 32)
    first = Kept(joint, [own, other])
    proofs = [first.prove()]
    proofs.append(Kept(alone, [own], first.d[0][0]).prove())
    assert believed(joint, proofs[0])
    assert believed(alone, proofs[1]), "a verifier cannot see it"
    assert told_by_two(seen(joint, proofs[0]), seen(alone, proofs[1])) == [HELD]


def test_the_prover_shares_nothing_between_a_joint_and_a_standalone_proof():
    witnesses = [make_witness(LAYOUT, each, 0, (random_scalar(), random_scalar())) for each in (HELD, (5, 0))]
    secrets = [Secret(list(w.values), [list(w.digits[0])], list(w.blinders)) for w in witnesses]
    joint, alone = state(LAYOUT, secrets), state(LAYOUT, secrets[:1])
    first, second = prove(joint, witnesses)[0], prove(alone, witnesses[:1])[0]
    assert believed(joint, first)
    assert believed(alone, second)
    one, two = read_proof(first, 2, 1), read_proof(second, 1, 1)
    assert {*one.parts[0].c_d, *one.parts[0].c_f, one.c_m, one.c_s}.isdisjoint(
        {*two.parts[0].c_d, *two.parts[0].c_f, two.c_m, two.c_s}
    )
    assert told_by_two(seen(joint, first), seen(alone, second)) == []


@pytest.mark.parametrize("after", range(1, 6))
def test_a_retry_from_the_middle_is_refused_for_it_would_share_blinders(after):
    """A shard gives each of its rounds once: a prover that starts again starts with fresh blinders."""
    witness = make_witness(LAYOUT, HELD, 0, (random_scalar(), random_scalar()))
    statement = state(LAYOUT, [secret(LAYOUT, HELD)])

    class Fails(Exception):
        pass

    class Interrupted(Shard):
        def _enter(self, number):
            super()._enter(number)
            if number == after:
                raise Fails

    shard = Interrupted(LAYOUT, POINTS, [witness], random_scalar)
    with pytest.raises(Fails):
        prove_shards(statement, [(shard, 1)])
    with refused(ProofCode.BLINDERS_REUSED, LocalFault):
        prove_shards(statement, [(shard, 1)])


class OneBlinder(CheatingProver):
    blinders = 1


class NoBlinder(CheatingProver):
    blinders = 0


def test_a_digit_column_with_one_blinder_would_show_the_holdings():
    """One for D(ζ) and one for C_D: with one alone, the evaluation gives it, and C_D tells whether it is right."""
    own = secret(LAYOUT, HELD)
    statement, proof = proven(LAYOUT, [own], OneBlinder)
    assert believed(statement, proof), "a verifier cannot see it"
    shown = seen(statement, proof)
    assert [g for g in GUESSES if commitment_of(g, [masked_value(g, shown)]) == shown.c_d] == [HELD]
    real = seen(*proven(LAYOUT, [own]))
    assert not [g for g in GUESSES if commitment_of(g, [masked_value(g, real)]) == real.c_d]


def test_commitments_without_blinders_would_show_the_holdings():
    statement, proof = proven(LAYOUT, [secret(LAYOUT, HELD)], NoBlinder)
    assert believed(statement, proof), "a verifier cannot see it"
    shown = seen(statement, proof).c_d
    assert [g for g in GUESSES if commitment_of(g, []) == shown] == [HELD]


def test_the_blinders_of_a_commitment_once_known_show_the_holdings():
    """Anybody who learns a seed, or Σρ of all but one account's, can try holdings one by one."""
    held, hiding = (5_000, 10, -34), (random_scalar(), random_scalar())
    shown = multi_scalar([*POINTS.lagrange[:3], *POINTS.hiding[:2]], [*held, *hiding])
    rest = shown + -multi_scalar(POINTS.hiding[:2], hiding)
    known = multi_scalar(POINTS.lagrange[:2], held[:2])
    found = [q for q in range(-MOST, MOST) if rest == known + multiply(POINTS.lagrange[2], q)]
    assert found == [-34]


# The book. Exponents are (Σρ_0, Σρ_1, Σr_g of each auxiliary slot).

AUXILIARY, TOTALS = (2, 3), ((0, 500), (1, 0))
MAXIMA = (1_800, 450)


def a_book(scalars, blinding=(11, 12)) -> tuple[bytes, Point, Transcript]:
    exponents = [*blinding, *MAXIMA]
    shown = multi_scalar([*POINTS.lagrange[:4], *POINTS.hiding[:2]], [500, 0, *MAXIMA, *blinding])
    return open_book(POINTS, AUXILIARY, TOTALS, exponents, Transcript("test"), scalars), shown, Transcript("test")


def answers_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 32], "big") for at in range(48, len(data), 32)]


def challenge_of(data: bytes, monkeypatch, shown, transcript) -> int:
    drawn = []
    real = Transcript.challenge

    def noting(self, label):
        drawn.append(real(self, label))
        return drawn[-1]

    with monkeypatch.context() as watched:
        watched.setattr(Transcript, "challenge", noting)
        verify_book(POINTS, AUXILIARY, TOTALS, [shown], data, transcript)
    return drawn[-1]


def extracted(first, second, monkeypatch) -> list[int]:
    """What two openings would tell if they had been made with one nonce: (z − z') / (e − e')."""
    (data, shown, transcript), (again, other_shown, other_transcript) = first, second
    e = challenge_of(data, monkeypatch, shown, transcript)
    e_other = challenge_of(again, monkeypatch, other_shown, other_transcript)
    slope = inverse(e - e_other)
    return [(z - y) * slope % ORDER for z, y in zip(answers_of(data), answers_of(again), strict=True)]


def test_a_book_that_published_its_sums_would_show_each_groups_maximum_and_a_nonce_used_twice_does(monkeypatch):
    def fixed(start):
        count = iter(range(start, start + 100))
        return lambda: next(count)

    data, shown, _ = a_book(fixed(70))
    first, second = Transcript("test"), Transcript("test")
    second.append_bytes("epoch", b"another")
    again = open_book(POINTS, AUXILIARY, TOTALS, [11, 12, *MAXIMA], second.fork("x"), fixed(70))
    assert data[:48] == again[:48], "one nonce, one R"
    found = extracted((data, shown, first), (again, shown, second.fork("x")), monkeypatch)
    assert found == [11, 12, *MAXIMA]


def test_two_books_of_the_same_sums_show_none_of_them(monkeypatch):
    data, shown, transcript = a_book(random_scalar)
    again, _, other = a_book(random_scalar)
    assert data[:48] != again[:48]
    assert set(answers_of(data)).isdisjoint(answers_of(again))
    assert not set(extracted((data, shown, transcript), (again, shown, other), monkeypatch)) & {11, 12, *MAXIMA}


def test_a_book_looks_the_same_whatever_it_sums_to(monkeypatch):
    """Answers drawn at random fit any sums: R is what follows from them. So they tell nothing."""
    monkeypatch.setattr("proofs.epoch.matched_book._challenge", lambda *_: 12345)
    for blinding, maxima in (((11, 12), MAXIMA), ((99, 1), (0, 7))):
        shown = multi_scalar([*POINTS.lagrange[:4], *POINTS.hiding[:2]], [500, 0, *maxima, *blinding])
        bases = [*POINTS.hiding[:2], *(POINTS.lagrange[slot] for slot in AUXILIARY)]
        answers = [random_scalar() for _ in bases]
        rest = shown + -multi_scalar(POINTS.lagrange[:2], [500, 0])
        announced = multi_scalar(bases, answers) + -multiply(rest, 12345)
        data = encode_point(announced) + b"".join(z.to_bytes(32, "big") for z in answers)
        verify_book(POINTS, AUXILIARY, TOTALS, [shown], data, Transcript("test"))


def test_a_package_holds_no_sum_of_blinders_or_maxima(market, package):
    """Neither as a number nor as a point that anybody could compare a guess with."""
    good = read_package(package)
    shot = market.snapshot()
    full = [complete_holdings(shot.statement, account) for account in shot.accounts]
    sums = [sum(values[slot] for values in full) for slot in auxiliary_slots(good.statement)]
    assert all(sums)
    shown = answers_of(good.book)
    assert not set(sums) & set(shown)
    for slot, total in zip(auxiliary_slots(good.statement), sums, strict=True):
        assert encode_point(multiply(basis(market.N).lagrange[slot], total)) not in package
    again = read_package(market.honest(shot))
    assert again.commitments == good.commitments
    assert again.book[:48] != good.book[:48]
    assert set(answers_of(again.book)).isdisjoint(shown)


def test_a_member_that_mistypes_its_holdings_is_not_told_a_commitment_to_them(market, package):
    """It has the blinders of the certified one, so a reader of both in a report learns by how much they differ."""
    good = read_package(package)
    (account, held), seed = market.HOLDINGS[1], market.seeds()[1]
    typed = (held[0] + 17, *held[1:])
    context = context_of(good.statement, account, market.owner(account))
    full = complete_holdings(good.statement, AccountHoldings(account, typed))
    commitment = commit_holdings(basis(market.N), full, seed, context)
    assert moved(dict(good.commitments)[account], commitment, points=basis(market.N)) == (0, 17)
    own = OwnAccount(account, typed, seed, market.owner(account))
    verdict = verify_package(package, own=own)
    assert verdict.failed == "inclusion"
    assert commitment.hex()[:16] not in verdict.checks[-1].detail
    with refused(ProofCode.NOT_INCLUDED, LocalFault) as fault:
        prove_account(good, own)
    assert commitment not in fault.value.values.values()


@pytest.mark.parametrize("held", [(-123_457, 0), (0, 2**40 + 123_457), (0, 5 * 123_457)])
def test_a_fault_about_holdings_tells_where_and_not_how_much(held):
    """Faults end in logs, and logs leave the machine."""
    with refused(ProofCode.WITNESS_OUT_OF_RANGE, LocalFault) as fault:
        make_witness(LAYOUT, held, 0, (1, 2))
    values = [fault.value.at, *map(str, fault.value.values.values())]
    assert fault.value.at.split()[0] in ("slot", "row")
    assert not any(
        str(abs(number)) in each for number in (*held, held[0] - 3 * held[1] + 10) if number for each in values
    )
