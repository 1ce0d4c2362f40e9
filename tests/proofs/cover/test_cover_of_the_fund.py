"""Cover 2: what an honest fund says, and what no prover gets past the verifier."""

import json
from itertools import product

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
from proofs.epoch.package import read_package, write_package
from proofs.epoch.prover import commit_epoch
from proofs.errors import ProofCode
from proofs.history.blinder_reuse import blinded_messages
from proofs.history.package_history import PackageHistory
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import DOMAIN, check_statement, complete_holdings, context_of, layout_of
from proofs.verify.claim_text import cover_limits
from proofs.verify.file_view import view_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.clearing.genesis import make_genesis
from tests.kit.proofs.cheated_cover import lying
from tests.kit.proofs.made_market import NOW_MS
from tests.kit.proofs.stressed import LEVERED, MEMBERS, NETWORK, PARAMETERS, STRESSES, N, seeds_of, snapshot_of

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def shot():
    return snapshot_of(LEVERED, MEMBERS)


@pytest.fixture(scope="module")
def short():
    """With a fund that covers neither scenario."""
    return snapshot_of(LEVERED, MEMBERS, fund=10**9)


@pytest.fixture(scope="module")
def covered(market, shot):
    return market.honest(shot)


def test_a_fund_that_covers_its_two_largest_members_is_shown_to(covered, shot):
    verdict = verify_package(covered, network=NETWORK)
    assert verdict.ok, verdict.checks[-1]
    found = next(check for check in verdict.checks if check.name == "cover")
    assert "of 4 members, in 2 stress scenarios: covers what" in found.detail
    losses = [uncovered_losses(STRESSES, v[:1], v[1:2], v[2:]) for v in LEVERED.values()]
    assert all(sum(each > 0 for each in column) for column in zip(*losses, strict=True))
    assert shot.statement.cover[0].deficits == (0, 0)


def test_without_the_cover_terms_in_the_root_a_larger_fund_is_shown(market, shot, short, monkeypatch):
    """The house has the cash for the larger fund, so only what is certified binds its size: the real root refuses."""
    assert any(short.statement.cover[0].deficits)
    shown = replace(short.statement, cover=shot.statement.cover)

    def digest(self):
        return tagged_hash(SNAPSHOT_TAG, encode(replace(self, cover=())))

    with monkeypatch.context() as patch:
        patch.setattr(RiskStatement, "digest", digest)
        data = market.honest(replace(short, statement=shown))
        assert verify_package(data, network=NETWORK).ok
    assert verify_package(data, network=NETWORK).failed == "roots"


def shown(shot, statement=None, size=N) -> str:
    """Prove and check the cover alone, without the accounts' own proof; what the check says."""
    stated, keys = statement or shot.statement, seeds_of([each.account for each in shot.accounts])
    commitments = commit_epoch(shot, keys, size)
    layout, witnesses = layout_of(shot.statement, size), []
    for each in shot.accounts:
        hiding = blinders(keys[each.account], context_of(shot.statement, each.account, each.owner))
        witnesses.append(make_witness(layout, complete_holdings(shot.statement, each), each.shortfall, hiding))
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
    apart, together = (
        snapshot_of({1: poor, 2: rich, 3: poor, 4: poor}, {1: 1, 2: 1, 3: third, 4: 4}, fund=0) for third in (3, 1)
    )
    assert [each.statement.cover[0].deficits[0] for each in (apart, together)] == [2 * lacking, 3 * lacking] != [0, 0]
    assert f"short by {3 * lacking} in crash" in shown(together)


def test_a_fund_counts_no_further_than_its_account_keeps_it():
    book = {0: (5 * 10**9, 0, 0, 0, 0), 1: (9 * 10**9, 0, 5_000, 0, 0)}
    shot = snapshot_of(book, {}, fund=20 * 10**9)
    house = shot.accounts[0].values
    kept = min(5 * 10**9, *stressed_equity(STRESSES, house[:1], house[1:2], house[2:]))
    assert shot.statement.cover[0].fund == max(kept, 0) < 5 * 10**9
    assert shown(shot)


@pytest.mark.parametrize("at", [0, 1])
def test_an_honest_prover_proves_no_deficit_smaller_than_it_is(short, at):
    deficits = short.statement.cover[0].deficits
    fewer = tuple(deficit - (number == at) for number, deficit in enumerate(deficits))
    with pytest.raises(LocalFault, match="witness_out_of_range"):
        shown(short, lying(short.statement, deficits=fewer))


def test_a_statement_with_stress_scenarios_has_the_terms_of_one_fund(shot):
    (terms,) = shot.statement.cover
    for cover in ((), (terms, terms)):
        with pytest.raises(RemoteFault, match="bad_statement"):
            cover_of(replace(shot.statement, cover=cover), [0, *LEVERED], N)


def test_the_verdict_says_what_the_test_of_the_fund_leaves_open(shot, short):
    enough, not_enough = cover_limits(shot.statement), cover_limits(short.statement)
    assert any("which member's" in limit for limit in enough)
    assert [limit for limit in not_enough if limit not in enough] == [not_enough[-1]]
    assert "exactly" in not_enough[-1]
    assert cover_limits(replace(shot.statement, cover=())) != enough


def cover_of_many(shot, members, size):
    """The cover proof's statement about so many members with an account each, and the house."""
    named = tuple((account, account) for account in range(1, members + 1))
    return cover_of(lying(shot.statement, members=named), range(members + 1), size)


def test_more_members_than_a_vector_holds_are_refused(shot):
    with pytest.raises(RemoteFault, match="bad_layout"):
        assert cover_of_many(shot, 199, N).layout


def test_a_genesis_that_tests_its_fund_has_no_more_members_than_the_proof_has_room_for(shot, monkeypatch):
    monkeypatch.setattr("clearing.genesis.checks.check_validator_set", lambda _: None)

    def check(count, risk=PARAMETERS):
        genesis = make_genesis(risk=risk)
        others = tuple(MemberTerms(k, f"m{k}", bytes(20), ()) for k in range(1, count))
        check_genesis(replace(genesis, members=(genesis.members[0], *others), validators=ValidatorSet(())))

    check(TESTED_MEMBERS_MAX)
    check(TESTED_MEMBERS_MAX + 1, replace(PARAMETERS, stress=(), default_fund_micros=0))
    with pytest.raises(LocalFault, match="members"):
        check(TESTED_MEMBERS_MAX + 1)
    assert cover_of_many(shot, TESTED_MEMBERS_MAX, DOMAIN).layout.columns == 8
    with pytest.raises(RemoteFault, match="bad_layout"):
        assert cover_of_many(shot, TESTED_MEMBERS_MAX + 1, DOMAIN).layout


def test_a_proof_grows_with_scenarios_and_not_with_accounts(shot):
    """100 members in 2 scenarios: seven columns each on this small domain, and no more than one at n = 2048."""
    assert [cover_of_many(shot, 100, size).layout.columns for size in (N, 2048)] == [7, 1]


def row_with(row, *coefficients, **fields):
    merged = {**dict(row.coefficients), **dict(coefficients)}
    ordered = tuple((slot, value) for slot, value in sorted(merged.items()) if value)
    return replace(row, coefficients=ordered, **fields)


BENT = {
    "no row": lambda row, slot: (),
    "two rows": lambda row, slot: (row, replace(row, name="again")),
    "an allowance": lambda row, slot: (row_with(row, constant=1),),
    "the account's shortfall": lambda row, slot: (row_with(row, shortfall=True),),
    "cash that counts twice": lambda row, slot: (row_with(row, (slot["cash:USD"], 2)),),
    "cash left out": lambda row, slot: (row_with(row, (slot["cash:USD"], 0)),),
    "half of what is lacking": lambda row, slot: (row_with(row, (slot["uncovered:crash"], 2)),),
    "paid by another scenario's": lambda row, slot: (row_with(row, (slot["uncovered:rally"], -1)),),
    "paid by a group's maximum": lambda row, slot: (row_with(row, (slot["max:BTC"], 1)),),
    "equality": lambda row, slot: (row_with(row, kind=RowKind.EQUAL_ZERO),),
}


@pytest.mark.parametrize("what", BENT)
def test_a_stress_row_of_another_shape_is_refused(shot, what):
    stated = shot.statement
    check_statement(stated)
    row = next(each for each in stated.rows if each.name == "stress:crash")
    bent = BENT[what](row, {each.name: at for at, each in enumerate(stated.slots)})
    with pytest.raises(RemoteFault, match="bad_statement"):
        check_statement(replace(stated, rows=(*(each for each in stated.rows if each is not row), *bent)))


def test_what_is_lacking_in_stress_pays_no_margin(shot):
    stated = shot.statement
    slot = next(at for at, each in enumerate(stated.slots) if each.kind is SlotKind.UNCOVERED)
    for name, amount in product(("maintenance", "loss:BTC:1"), (1, -1, -4)):
        rows = tuple(row_with(each, (slot, amount)) if each.name == name else each for each in stated.rows)
        assert rows != stated.rows
        with pytest.raises(RemoteFault, match="bad_statement"):
            check_statement(replace(stated, rows=rows))


def test_a_member_proves_its_account_beside_the_stress_slots(market, covered, shot):
    account = shot.accounts[2]
    made = prove_account(read_package(covered), OwnAccount(2, account.values, market.seeds([(2, ())])[2]))
    verdict = verify_standalone(made, covered)
    assert verdict.ok, verdict.checks[-1]


def test_a_fund_that_is_tested_is_no_open_check(covered):
    complete = {check.name: check.complete for check in verify_package(covered).checks}
    assert (complete["cover"], complete["custody"]) == (True, False)


def test_the_claim_tells_what_the_fund_covers(covered, market):
    covers = "covers what its two largest members would lack in"
    assert f"{covers} each of 2 stress scenarios" in verify_package(covered).claim
    for fund, count in ((10**9, 0), (10**10, 1)):
        short = snapshot_of(LEVERED, MEMBERS, fund=fund)
        lacks = f"{count} of 2 stress scenarios, and lacks at most {max(short.statement.cover[0].deficits)} micros"
        assert f"{covers} {lacks} in the others" in verify_package(market.honest(short)).claim


def test_the_funds_proof_is_shown_by_its_parts(covered, shot):
    shown = view_of(covered)
    json.dumps(shown)
    names = [each["stress"] for each in shown["cover"]["C_V"]]
    assert len(names) == len(shot.statement.cover[0].deficits) > 0
    assert len(shown["cover"]["proof"]["accounts"]) == len(names)
    broken = replace(read_package(covered), cover=b"\1")
    assert view_of(write_package(broken))["cover"]["bytes"] == "0x01"


def test_the_funds_vectors_are_among_the_messages_that_may_not_repeat(covered):
    package = read_package(covered)
    named = dict(blinded_messages(package))
    assert package.cover[:48] in named.values()
    assert len(set(named.values())) == len(named)
    assert sum(name.startswith("C_V ") for name in named) == 2


def test_a_fund_proven_twice_with_one_draw_is_found(market, shot):
    def drawn():
        numbers = iter(range(10**6))
        return lambda: pow(7, next(numbers) + 1, 2**200)

    stated = shot.statement
    later = replace(stated, epoch=stated.epoch + 1, height=stated.height + 9, state_root=bytes(32))
    history = PackageHistory()
    history.add("first", market.honest(shot, scalars=drawn()))
    again = market.honest(replace(shot, statement=later), scalars=drawn(), time_ms=NOW_MS + 1)
    assert history.add("second", again).ok
    verdict = history.finish()
    assert {each.code for each in verdict.findings} == {ProofCode.BLINDERS_REUSED}
    assert any(each.detail.startswith("C_V of stress") for each in verdict.findings)
