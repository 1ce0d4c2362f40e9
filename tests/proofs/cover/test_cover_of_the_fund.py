"""Cover 2: what an honest fund says, and what no prover gets past the verifier."""

from contextlib import nullcontext

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.validators import ValidatorSet
from clearing.genesis.checks import TESTED_MEMBERS_MAX, check_genesis
from clearing.margin.statement.snapshot import SNAPSHOT_TAG, RiskStatement, RowKind, SlotKind
from clearing.margin.statement.stress import stressed_equity, uncovered_losses
from clearing.schema.terms.genesis import MemberTerms
from proofs.algebra.commitment import blinders
from proofs.algebra.group import decode_point
from proofs.algebra.transcript import Transcript
from proofs.cover.prover import prove_cover
from proofs.cover.terms import cover_of
from proofs.cover.verifier import check_cover
from proofs.epoch.prover import commit_epoch, context_of
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import DOMAIN, check_statement, complete_holdings, layout_of
from proofs.verify.claim_text import cover_limits
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import make_genesis
from tests.kit.proofs.levered import LEVERED, MEMBERS, levered_package
from tests.kit.proofs.stressed import NETWORK, PARAMETERS, STRESSES, N, seeds_of, snapshot_of


@pytest.fixture(scope="module")
def shot():
    return snapshot_of(LEVERED, MEMBERS)


@pytest.fixture(scope="module")
def covered(market, shot):
    return levered_package(market, shot)


def test_a_fund_that_covers_its_two_largest_members_is_shown_to(covered, shot):
    verdict = verify_package(covered, network=NETWORK)
    assert verdict.ok, verdict.checks[-1]
    found = next(check for check in verdict.checks if check.name == "cover")
    assert "of 4 members, in 2 stress scenarios: covers what" in found.detail
    losses = [uncovered_losses(STRESSES, v[:1], v[1:2], v[2:]) for v in LEVERED.values()]
    assert all(sum(each > 0 for each in column) for column in zip(*losses, strict=True))
    assert shot.statement.cover[0].deficits == (0, 0)


def test_without_the_cover_terms_in_the_root_a_larger_fund_is_shown(market, shot, monkeypatch):
    """The house has the cash for the larger fund, so only what is certified binds its size: the real root refuses."""
    short = snapshot_of(LEVERED, MEMBERS, fund=10**9)
    stated, terms = short.statement, short.statement.cover[0]
    assert any(terms.deficits)
    shown = msgspec.structs.replace(stated, cover=shot.statement.cover)

    def digest(self):
        return tagged_hash(SNAPSHOT_TAG, encode(msgspec.structs.replace(self, cover=())))

    with monkeypatch.context() as patch:
        patch.setattr(RiskStatement, "digest", digest)
        data = levered_package(market, msgspec.structs.replace(short, statement=shown))
        assert verify_package(data, network=NETWORK).ok
    assert verify_package(data, network=NETWORK).failed == "roots"


def shown(shot, statement=None, size=N) -> str:
    """Prove and check the cover alone, without the accounts' own proof; what the check says."""
    stated = shot.statement if statement is None else statement
    commitments = commit_epoch(shot, seeds_of([each.account for each in shot.accounts]), size)
    layout, witnesses = layout_of(shot.statement, size), []
    for each in shot.accounts:
        hiding = blinders(seeds_of([each.account])[each.account], context_of(shot.statement, each.account))
        full = complete_holdings(shot.statement, each)
        witnesses.append(make_witness(layout, full, each.shortfall, hiding))
    data = prove_cover(stated, commitments, witnesses, size, Transcript("test"))
    points = [decode_point(commitment, "C_W") for _, commitment in commitments]
    return check_cover(stated, commitments, points, size, data, Transcript("test"))


def account(number: int):
    """Something else for everybody; every third lacks something in the crash, others in the rally or never."""
    return (10**9 + number * 10**7, 0, (1_000, -700, 3)[number % 3] + number, 0, number - 50)


@pytest.mark.parametrize("members", [0, 1, 2, 3, 100])
def test_a_book_of_any_number_of_members_is_tested(members):
    book = {k: account(k) for k in range(1, members + 1)}
    owners = {k: 1 + (k - 1) % members for k in book} if members else {}
    for fund in (0, 10**6, 10**11):
        shot = snapshot_of(book, owners, fund=fund)
        terms = shot.statement.cover[0]
        said = shown(shot)
        assert f"of {members} members" in said
        assert ("short by" in said) is any(terms.deficits)
        assert (fund < 10**11 and members > 0) is any(terms.deficits)


def test_accounts_of_one_member_lack_each_by_itself_and_count_together():
    """One client's surplus pays for no other; two clients' losses are one member's."""
    poor, rich = (10**9, 0, 1_000, 0, 0), (10**11, 0, 0, 0, 0)
    lacking = uncovered_losses(STRESSES, poor[:1], poor[1:2], poor[2:])[0]
    assert lacking
    apart = snapshot_of({1: poor, 2: rich, 3: poor, 4: poor}, {1: 1, 2: 1, 3: 3, 4: 4}, fund=0)
    assert apart.statement.cover[0].deficits[0] == 2 * lacking
    together = snapshot_of({1: poor, 2: rich, 3: poor, 4: poor}, {1: 1, 2: 1, 3: 1, 4: 4}, fund=0)
    assert together.statement.cover[0].deficits[0] == 3 * lacking
    assert f"short by {3 * lacking} in crash" in shown(together)


def test_a_fund_counts_no_further_than_its_account_keeps_it():
    book = {0: (5 * 10**9, 0, 0, 0, 0), 1: (9 * 10**9, 0, 5_000, 0, 0)}
    shot = snapshot_of(book, {}, fund=20 * 10**9)
    house = shot.accounts[0].values
    kept = min(5 * 10**9, *stressed_equity(STRESSES, house[:1], house[1:2], house[2:]))
    assert shot.statement.cover[0].fund == max(kept, 0) < 5 * 10**9
    assert shown(shot)


@pytest.mark.parametrize("at", [0, 1])
def test_an_honest_prover_proves_no_deficit_smaller_than_it_is(at):
    shot = snapshot_of(LEVERED, MEMBERS, fund=10**9)
    terms = shot.statement.cover[0]
    fewer = tuple(deficit - (number == at) for number, deficit in enumerate(terms.deficits))
    with pytest.raises(LocalFault, match="witness_out_of_range"):
        shown(shot, msgspec.structs.replace(shot.statement, cover=(msgspec.structs.replace(terms, deficits=fewer),)))


def test_a_statement_whose_cover_terms_do_not_fit_its_accounts_is_refused(shot):
    stated, terms = shot.statement, shot.statement.cover[0]
    replace = msgspec.structs.replace
    for cover in (
        (),
        (terms, terms),
        (replace(terms, deficits=(0,)),),
        (replace(terms, members=terms.members[1:]),),
        (replace(terms, members=terms.members[::-1]),),
        (replace(terms, members=((0, 1), *terms.members)),),
        (replace(terms, fund_account=99),),
    ):
        with pytest.raises(RemoteFault, match="bad_statement"):
            cover_of(replace(stated, cover=cover), [0, *LEVERED], N)


def test_the_verdict_says_what_the_test_of_the_fund_leaves_open(shot):
    enough, short = cover_limits(shot.statement), cover_limits(snapshot_of(LEVERED, MEMBERS, fund=1).statement)
    assert any("which member's" in limit for limit in enough)
    assert [limit for limit in short if limit not in enough] == [short[-1]]
    assert "exactly" in short[-1]
    untested = msgspec.structs.replace(shot.statement, cover=())
    assert cover_limits(untested) != enough


def test_more_members_than_a_vector_holds_are_refused(shot):
    terms = shot.statement.cover[0]
    many = tuple((k, k) for k in range(1, 200))
    cover = cover_of(
        msgspec.structs.replace(shot.statement, cover=(msgspec.structs.replace(terms, members=many),)), range(200), N
    )
    with pytest.raises(RemoteFault, match="bad_layout"):
        assert cover.layout


def test_a_genesis_that_tests_its_fund_has_no_more_members_than_the_proof_has_room_for(shot):
    def genesis_of(count, risk):
        genesis = make_genesis(risk=risk)
        house, *_ = genesis.members
        others = tuple(MemberTerms(k, f"m{k}", bytes(20), ()) for k in range(1, count))
        return msgspec.structs.replace(genesis, members=(house, *others), validators=ValidatorSet(()))

    def check(genesis, monkeypatch):
        monkeypatch.setattr("clearing.genesis.checks.check_validator_set", lambda _: None)
        check_genesis(genesis)

    with pytest.MonkeyPatch.context() as patch:
        check(genesis_of(TESTED_MEMBERS_MAX, PARAMETERS), patch)
        check(
            genesis_of(TESTED_MEMBERS_MAX + 1, msgspec.structs.replace(PARAMETERS, stress=(), default_fund_micros=0)),
            patch,
        )
        with pytest.raises(LocalFault, match="members"):
            check(genesis_of(TESTED_MEMBERS_MAX + 1, PARAMETERS), patch)
    terms = shot.statement.cover[0]
    for count, fits in ((TESTED_MEMBERS_MAX, True), (TESTED_MEMBERS_MAX + 1, False)):
        many = msgspec.structs.replace(terms, members=tuple((k, k) for k in range(1, 1 + count)))
        cover = cover_of(msgspec.structs.replace(shot.statement, cover=(many,)), range(1 + count), DOMAIN)
        with nullcontext() if fits else pytest.raises(RemoteFault, match="bad_layout"):
            assert cover.layout.columns == 8


def test_a_proof_grows_with_scenarios_and_not_with_accounts(shot):
    """100 members in 2 scenarios: seven columns each on this small domain, and no more than one at n = 2048."""
    terms = msgspec.structs.replace(shot.statement.cover[0], members=tuple((k, k) for k in range(1, 101)))
    stated = msgspec.structs.replace(shot.statement, cover=(terms,))
    assert cover_of(stated, range(101), N).layout.columns == 7
    assert cover_of(stated, range(101), 2048).layout.columns == 1


def _stressed_rows(change):
    """The statement with its first stress row changed; `change` gets the row and slots by name, and gives rows."""

    def apply(stated):
        slot = {each.name: at for at, each in enumerate(stated.slots)}
        row = next(each for each in stated.rows if each.name == "stress:crash")
        rest = [each for each in stated.rows if each is not row]
        return msgspec.structs.replace(stated, rows=(*rest, *change(row, slot)))

    return apply


def _with(row, *coefficients, **fields):
    merged = {**dict(row.coefficients), **dict(coefficients)}
    ordered = tuple((slot, value) for slot, value in sorted(merged.items()) if value)
    return msgspec.structs.replace(row, coefficients=ordered, **fields)


BENT = {
    "no row": lambda row, slot: (),
    "two rows": lambda row, slot: (row, msgspec.structs.replace(row, name="again")),
    "an allowance": lambda row, slot: (_with(row, constant=1),),
    "the account's shortfall": lambda row, slot: (_with(row, shortfall=True),),
    "cash that counts twice": lambda row, slot: (_with(row, (slot["cash:USD"], 2)),),
    "cash left out": lambda row, slot: (_with(row, (slot["cash:USD"], 0)),),
    "half of what is lacking": lambda row, slot: (_with(row, (slot["uncovered:crash"], 2)),),
    "paid by another scenario's": lambda row, slot: (_with(row, (slot["uncovered:rally"], -1)),),
    "paid by a group's maximum": lambda row, slot: (_with(row, (slot["max:BTC"], 1)),),
    "equality": lambda row, slot: (_with(row, kind=RowKind.EQUAL_ZERO),),
}


@pytest.mark.parametrize("what", BENT)
def test_a_stress_row_of_another_shape_is_refused(shot, what):
    check_statement(shot.statement)
    with pytest.raises(RemoteFault, match="bad_statement"):
        check_statement(_stressed_rows(BENT[what])(shot.statement))


def test_what_is_lacking_in_stress_pays_no_margin(shot):
    stated = shot.statement
    slot = next(at for at, each in enumerate(stated.slots) if each.kind is SlotKind.UNCOVERED)
    for row in (each for each in stated.rows if each.name in ("maintenance", "loss:BTC:1")):
        for amount in (1, -1, -4):
            rows = tuple(_with(each, (slot, amount)) if each is row else each for each in stated.rows)
            with pytest.raises(RemoteFault, match="bad_statement"):
                check_statement(msgspec.structs.replace(stated, rows=rows))
