"""Many packages together: gaps, equivocation, unlinked sets, a state that goes backwards, reused blinders."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from clearing.base import bls
from clearing.base.header import DepositCursor
from proofs.algebra.commitment import CommitmentContext, blinders, commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.epoch.prover import assemble
from proofs.errors import ProofCode
from proofs.history import blinder_reuse
from proofs.history.ordering import backwards, chain_conflicts, entry_of, link
from proofs.history.package_history import FINDINGS_MAX, PackageHistory
from proofs.history.set_survey import SetSurvey
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import complete_holdings, layout_of
from proofs.verify.freshness import Freshness
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.epochs import head_of, package_of, proven, shot_of


def entries_of(packages):
    return [entry_of(0, "abc"[n], read_package(each), stated=True, proven=True) for n, each in enumerate(packages)]


def judged(packages, **options):
    history = PackageHistory(**options)
    for number, data in enumerate(packages):
        history.add(f"{number}.ccp", data)
    return history.finish()


def codes(verdict):
    return {finding.code for finding in verdict.findings}


def details(verdict):
    return [finding.detail for finding in verdict.findings]


def only_finding(packages, **options):
    """(code, files, detail) of the one thing that is found in these packages."""
    (found,) = judged(packages, **options).findings
    return found.code, found.files, found.detail


@pytest.fixture(scope="module")
def three(market):
    return tuple(package_of(epoch) for epoch in (4, 5, 6))


def test_packages_in_a_row_are_one_history_in_any_order(market, three):
    own = read_package(three[0]).validators.hash
    for order in (three, three[::-1], (three[1], three[2], three[0])):
        verdict = judged(order, network=market.NETWORK, validators_hash=own)
        assert verdict.ok, verdict.findings
        assert verdict.epochs == (4, 5, 6)
        assert [result.ok for result in verdict.packages] == [True] * 3
    assert verdict.packages[2].height == 40
    assert verdict.packages[2].certified_at == 43
    assert not any("its own" in limit for limit in verdict.not_proven)
    assert any("its own" in limit for limit in judged(three).not_proven)


def test_an_empty_history_shows_nothing():
    assert (judged([]).ok, judged([]).epochs) == (False, ())


def test_two_proofs_of_one_epoch_by_two_provers_are_no_finding(market, three):
    again = package_of(5)
    assert again != three[1]
    for other in (again, three[1], package_of(5, height=54)):
        assert details(judged([*three, other])) == []


def test_a_missing_epoch_is_named(market, three):
    for last, epochs in ((three[2], "epoch 5"), (package_of(9), "epochs 5 to 8")):
        code, files, detail = only_finding([three[0], last])
        assert (code, files) == (ProofCode.EPOCH_MISSING, ("0.ccp", "1.ccp"))
        assert epochs in detail
    assert judged([three[0], three[2]]).besides([ProofCode.EPOCH_MISSING]) == ()


def test_a_refused_package_is_a_finding_and_leaves_a_gap(three):
    good = read_package(three[1])
    broken = write_package(msgspec.structs.replace(good, book=good.book[:-1] + bytes([good.book[-1] ^ 1])))
    verdict = judged([three[0], broken, three[2], b"junk"])
    assert codes(verdict) >= {ProofCode.EPOCH_MISSING, ProofCode.BOOK_NOT_MATCHED}
    assert [result.failed for result in verdict.packages] == [None, "matched_book", None, "encoding"]
    assert verdict.epochs == (4, 6)


def test_two_certified_headers_of_one_height_are_equivocation_by_name(market, three):
    other = package_of(5, payload_root=bytes(32))
    found = (ProofCode.EQUIVOCATION, ("1.ccp", "3.ccp"), "two headers of height 53; validators 0, 1 signed both")
    assert only_finding([*three, other]) == found


def test_many_findings_that_are_allowed_hide_no_other(market, three, monkeypatch):
    monkeypatch.setattr("proofs.history.package_history.FINDINGS_MAX", 2)
    unlinked = [package_of(epoch, next_validators_hash=bytes(32)) for epoch in (4, 5, 6, 7)]
    other = package_of(7, payload_root=bytes(32))
    verdict = judged([*unlinked, other], adopt=True)
    (found,) = verdict.besides([ProofCode.SET_NOT_LINKED])
    assert found.code is ProofCode.EQUIVOCATION
    assert len(verdict.findings) == 3


def test_two_certified_headers_count_even_when_the_second_proves_nothing(market, three):
    other = read_package(package_of(5, payload_root=bytes(32)))
    forged = write_package(msgspec.structs.replace(other, proof=b""))
    assert ProofCode.EQUIVOCATION in codes(judged([*three, forged]))
    stripped = write_package(msgspec.structs.replace(other, statement=read_package(three[0]).statement))
    assert ProofCode.EQUIVOCATION in codes(judged([*three, stripped]))


def test_a_file_that_somebody_spoiled_accuses_no_validator(three):
    """Under an honest header another statement is the file's word, nobody's who signed."""
    mixed = msgspec.structs.replace(read_package(three[1]), statement=read_package(three[0]).statement)
    verdict = judged([*three, write_package(mixed)])
    assert codes(verdict) == {ProofCode.WRONG_ROOT}
    assert verdict.epochs == (4, 5, 6)


def test_two_books_of_one_snapshot_or_epoch_are_equivocation(market, three):
    poorer = ((0, (4_000, 10, 0, 3)), *market.HOLDINGS[1:])
    at_other_height = package_of(5, poorer, statement={"state_root": bytes(32)}, height=54)
    verdict = judged([*three, at_other_height])
    assert codes(verdict) == {ProofCode.EQUIVOCATION}
    for words in ("two commitments roots of the snapshot at height 50", "two snapshots of epoch 5"):
        assert any(words in detail for detail in details(verdict))
    same_epoch_later = package_of(5, statement={"height": 55})
    assert ProofCode.EQUIVOCATION in codes(judged([three[1], same_epoch_later]))


def test_packages_of_two_networks_are_not_one_history(market, three):
    other = package_of(5, statement={"network": bytes(32)})
    verdict = judged([three[0], other, three[1]])
    assert codes(verdict) == {ProofCode.WRONG_NETWORK}
    assert verdict.findings[0].files == ("1.ccp",)
    assert verdict.network == market.NETWORK
    verdict = judged(three, network=bytes(32))
    assert codes(verdict) == {ProofCode.WRONG_NETWORK}
    assert not verdict.ok


def test_a_set_that_the_header_before_does_not_name_is_not_linked(market, three):
    code, files, _ = only_finding([package_of(4, next_validators_hash=bytes(32)), three[1]])
    assert (code, files) == (ProofCode.SET_NOT_LINKED, ("0.ccp", "1.ccp"))
    verdict = judged(three, validators_hash=bytes([1]) * 32)
    assert codes(verdict) == {ProofCode.SET_NOT_LINKED}
    assert "not the trusted one" in verdict.findings[0].detail


def test_a_set_is_linked_by_its_name_in_the_header_before(market, three):
    first, second, _ = entries_of(three)
    other = bytes([5]) * 32

    def linked(*entries, trusted=None, adopt=False):
        kept, findings = link(entries, trusted, adopt=adopt)
        return "".join(entry.name for entry in kept), len(findings)

    named, strange = replace(first, next_validators_hash=other), replace(second, validators_hash=other)
    third = replace(second, name="c", height=second.height + 9)
    assert linked(named, strange, trusted=first.validators_hash) == ("ab", 0)
    assert linked(named, second) == ("a", 1)
    # At one height both must be of one set, whatever comes next.
    assert linked(named, replace(named, name="c")) == ("ac", 0)
    # A stranger in between is passed over; when it may be followed, its word on who is next counts.
    assert linked(first, strange, third) == ("ac", 1)
    assert linked(first, strange, third, adopt=True) == ("abc", 1)
    assert linked(first, replace(strange, next_validators_hash=other), third, adopt=True) == ("abc", 2)
    # Of two sets at one height none is followed but the linked one.
    assert linked(first, replace(first, name="b", validators_hash=other), adopt=True) == ("a", 1)
    assert linked(first, second, trusted=other) == ("", 2)
    assert linked(first, second, trusted=other, adopt=True) == ("ab", 1)


def test_what_a_made_up_set_signed_contradicts_nobody(market, three, monkeypatch):
    """Anybody can make keys, and with them a package of any height that passes every check but this one."""
    honest = read_package(three[0]).validators.hash
    secrets = tuple(bls.secret_from_seed(bytes([i + 77]) * 32) for i in range(2))
    monkeypatch.setitem(market.certified.__globals__, "SECRETS", secrets)
    monkeypatch.setattr(market, "SECRETS", secrets)
    forged = package_of(5, payload_root=bytes(32))
    assert read_package(forged).validators.hash != honest
    verdict = judged([*three, forged], validators_hash=honest)
    assert codes(verdict) == {ProofCode.SET_NOT_LINKED}
    assert [result.linked for result in verdict.packages] == [True, True, True, False]
    assert verdict.packages[3].ok
    assert verdict.epochs == (4, 5, 6)


def surveyed(packages, **options):
    history = PackageHistory(**options)
    for data in packages:
        history.survey(data)
    for number, data in enumerate(packages):
        history.add(f"{number}.ccp", data)
    return history.finish()


@pytest.fixture
def sets(market, monkeypatch):
    """Makes packages by the number of the set that signs them, and knows each set's hash."""

    def signing(number, epoch, **header):
        secrets = tuple(bls.secret_from_seed(bytes([i + 77 + 2 * number]) * 32) for i in range(2))
        monkeypatch.setitem(market.certified.__globals__, "SECRETS", secrets)
        monkeypatch.setattr(market, "SECRETS", secrets)
        return package_of(epoch, **header)

    return signing, [read_package(signing(number, 4)).validators.hash for number in range(3)]


def test_sets_that_follow_from_the_trusted_one_are_known_before_anything_dear_in_any_order(sets):
    signing, hashes = sets
    packages = [signing(at, 4 + at, next_validators_hash=hashes[min(at + 1, 2)]) for at in range(3)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        verdict = surveyed([packages[at] for at in order], validators_hash=hashes[0])
        assert verdict.ok
        assert verdict.epochs == (4, 5, 6)


def test_what_a_long_chain_of_sets_costs_grows_with_its_length_alone():
    """A quorum can change its set in every header, and files come in any order: the last change first is the worst."""
    names = [number.to_bytes(32, "big") for number in range(20_001)]
    survey = SetSurvey(names[0])
    for before, after in reversed([*pairwise(names)]):
        assert not survey.follows(after)
        survey.note(before, after)
    survey.note(names[5], names[2])
    assert all(map(survey.follows, names))
    assert not survey.follows(b"other")


def test_a_package_of_a_stranger_costs_its_certificate_alone(market, three, sets, monkeypatch):
    """Anybody can make a set, a network and a package that is dear to verify."""
    signing, hashes = sets
    honest, forged = read_package(three[0]).validators.hash, signing(1, 5)
    judging = verify_package
    seen = []

    def seeing(data, **known):
        seen.append(data)
        return judging(data, **known)

    monkeypatch.setattr("proofs.history.package_history.verify_package", seeing)
    verdict = surveyed([*three, forged], validators_hash=honest)
    assert seen == list(three)
    assert codes(verdict) == {ProofCode.SET_NOT_LINKED}
    strange = verdict.packages[3]
    assert (strange.ok, strange.failed, strange.linked) == (False, "certificate", False)
    assert "does not follow from the trusted one" in strange.detail
    uncertified = read_package(three[1])
    false = msgspec.structs.replace(uncertified.header, next_validators_hash=hashes[1])
    linking = write_package(msgspec.structs.replace(uncertified, header=false))
    assert surveyed([linking, forged], validators_hash=honest).packages[1].failed == "certificate"
    assert surveyed([*three, forged], validators_hash=honest, adopt=True).packages[3].ok


def test_a_trusted_set_that_was_in_force_too_long_ago_is_a_finding(market, three):
    """A history judges no ages, but what a retired set signed is no history."""
    honest, known = market.validator_set().hash, 1_584_000_000_000
    last = known + 14 * 86_400_000

    def judged_at(now_ms, **changes):
        return judged(three, validators_hash=honest, freshness=Freshness(now_ms, **{"set_known_ms": known, **changes}))

    assert judged_at(last).ok
    late = judged_at(last + 1)
    assert codes(late) == {ProofCode.SET_EXPIRED}
    assert not late.ok
    assert not late.besides([ProofCode.SET_EXPIRED])
    assert judged_at(last + 1, trusting_period_ms=10**12).ok
    vouched = judged_at(last + 10**12, set_known_ms=None)
    assert vouched.ok
    assert any("caller's word" in limit for limit in vouched.not_proven)
    assert any("no time was stated" in limit for limit in judged(three, validators_hash=honest).not_proven)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time_ms": 1_584_000_000_000}, "time_ms"),
        ({"withdrawals_count": 0}, "withdrawals"),
        ({"deposit_cursors": ()}, "deposit cursor of chain 1"),
        ({"deposit_cursors": (DepositCursor(1, bytes(20), 8),)}, "deposit cursor of chain 1"),
        ({"time_ms": 1_584_000_000_043}, "clock stands still"),
    ],
)
def test_what_only_grows_may_not_become_less(market, change, words):
    cursors = (DepositCursor(1, bytes(20), 9),)
    first = package_of(4, deposit_cursors=cursors)
    verdict = judged([first, package_of(5, **{"deposit_cursors": cursors, **change})])
    assert codes(verdict) == {ProofCode.HISTORY_BACKWARDS}
    assert words in verdict.findings[0].detail
    assert judged([first, package_of(5, deposit_cursors=cursors)]).ok


def test_a_later_header_with_an_earlier_snapshot_or_epoch_goes_backwards(market, three):
    verdict = judged([three[1], package_of(4, height=60)])
    assert codes(verdict) == {ProofCode.HISTORY_BACKWARDS}
    for words in ("snapshot height goes from 50", "epoch goes from 5", "custody block of chain 1 goes from 501"):
        assert any(words in detail for detail in details(verdict))


def test_a_tokens_block_does_not_go_back_beside_one_that_goes_on(market):
    """A vault that was robbed in between is full again in the older block, whose counters may be the same."""

    def stated(epoch, block):
        first, second, third = shot_of(epoch).statement.custody
        older = msgspec.structs.replace(third, block_number=block, block_hash=block.to_bytes(32, "big"))
        assert second.chain_id == older.chain_id
        return package_of(epoch, statement={"custody": (first, second, older)})

    assert judged((stated(4, 401), stated(5, 401))).ok, "a chain may stand still"
    code, files, detail = only_finding((stated(4, 401), stated(5, 400)))
    assert (code, files) == (ProofCode.HISTORY_BACKWARDS, ("0.ccp", "1.ccp"))
    assert detail.startswith("custody block on chain 2, vault ")
    assert "goes from 401 at height 43 to 400 at height 53" in detail


def test_a_vaults_counters_only_grow(market, three):
    first, second, _ = entries_of(three)
    assert not list(backwards([first, second]))
    for place, (name, value) in enumerate(first.counters):
        fewer = [*second.counters]
        fewer[place] = (name, value - 1)
        (found,) = backwards([first, replace(second, counters=tuple(fewer))])
        assert found.code == ProofCode.HISTORY_BACKWARDS
        assert found.detail.startswith(f"{name} goes from {value}")


def test_a_package_that_says_nothing_of_a_chain_does_not_hide_that_its_numbers_became_less(market, three):
    first, second, third = entries_of(three)
    silent = replace(second, counters=(), chains=())
    assert not list(backwards([first, silent, third]))
    ((name, value), *others), ((chain, _, hash_), *chains) = first.counters, first.chains
    fewer = replace(third, counters=((name, value - 1), *others), chains=((chain, 1, hash_), *chains))
    found = list(backwards([first, silent, fewer]))
    assert {each.detail.split(" goes from ")[0] for each in found} == {name, f"custody block of chain {chain}"}
    assert {each.files for each in found} == {("a", "c")}


def test_one_block_of_a_chain_has_one_hash(market, three):
    first, *_ = entries_of(three)
    other = replace(first, name="b", chains=((1, 401, bytes(32)),))
    found = list(chain_conflicts([first, other]))
    assert [finding.code for finding in found] == [ProofCode.CHAIN_CONFLICT]
    assert found[0].files == ("a", "b")
    assert not list(chain_conflicts([first, first]))


# Blinders that a faulty prover takes twice.


def fresh(market):
    return lambda account, epoch: blinders(
        market.seeds()[account], CommitmentContext(market.NETWORK, account, epoch, bytes([epoch]) * 32)
    )


def constant(market):
    return lambda account, epoch: blinders(
        market.seeds()[account], CommitmentContext(market.NETWORK, account, 0, bytes(32))
    )


def blinded(market, epoch, holdings, blinders_of):
    shot = shot_of(epoch, holdings)
    layout, points = layout_of(shot.statement, market.N), basis(market.N)
    witnesses, commitments = [], []
    for account in shot.accounts:
        values = complete_holdings(shot.statement, account)
        hiding = blinders_of(account.account, epoch)
        witnesses.append(make_witness(layout, values, 0, hiding))
        commitments.append((account.account, encode_point(commit(points, values, hiding))))
    head = head_of(shot, commitments_root(shot.statement, commitments, market.N))
    return assemble(shot.statement, tuple(commitments), witnesses, *head, domain=market.N)


def two_epochs(market, cash=0, token=0, of=(0, 1, 5), blinders_of=constant):
    """Packages of epochs 4 and 5; in the second these accounts have so much more."""
    after = tuple((a, (v[0] + cash, v[1] + token, *v[2:]) if a in of else v) for a, v in market.HOLDINGS)
    return [blinded(market, epoch, held, blinders_of(market)) for epoch, held in ((4, None), (5, after))]


def test_fresh_blinders_hide_that_nothing_changed(market):
    assert judged(two_epochs(market, blinders_of=fresh), thorough=True).ok


def test_a_commitment_that_repeats_is_found(market):
    verdict = judged(two_epochs(market))
    assert codes(verdict) == {ProofCode.BLINDERS_REUSED}
    assert len(verdict.findings) == 3
    assert verdict.findings[1].detail == "C_W of account 1 in epoch 5 is C_W of account 1 in epoch 4"
    assert verdict.findings[1].files == ("0.ccp", "1.ccp")


@pytest.mark.parametrize("change", [1, -1, 16, -16])
def test_a_small_change_of_one_slot_is_found_and_told_for_what_it_is(market, change):
    found = f"C_W of account 1 differs from an earlier one by {abs(change)} of cash:USD alone"
    assert found in details(judged(two_epochs(market, change, of=(1,))))


def test_a_change_beyond_reach_is_not_found(market):
    assert judged(two_epochs(market, 17)).ok


def test_a_small_change_of_two_slots_is_found_when_asked_to_be_thorough(market):
    packages = two_epochs(market, -3, 2)
    assert judged(packages).ok
    found, *others = details(judged(packages, thorough=True))
    assert len(others) == 2
    assert "3 of cash:USD" in found
    assert "2 of token:31337:WETH" in found


def test_two_accounts_with_one_commitment_are_found(market):
    alike, same = ((0, (5_000, 10, 0, 0)), (1, (5_000, 10, 0, 0))), constant(market)
    verdict = judged([blinded(market, 4, alike, lambda _, epoch: same(0, epoch))])
    assert verdict.findings[0].code is ProofCode.COMMITMENTS_EQUAL
    assert "accounts 0 and 1" in verdict.findings[0].detail


def test_epochs_before_the_first_package_are_named(market):
    """A header's epoch is its statement's, so the number of the first says how many closed before it."""
    for epoch, says in ((1, ""), (2, "Epoch 1 closed before"), (4, "Epochs 1 to 3 closed before")):
        limits = judged([proven(shot_of(epoch))]).not_proven
        assert [limit[: len(says)] for limit in limits if "closed before the first" in limit] == [says][: bool(says)]


def test_two_proofs_with_one_draw_of_randomness_are_found(market):
    def drawn(seed):
        numbers = iter(range(seed, seed + 10**6))
        return lambda: pow(7, next(numbers), 2**200)

    shot = shot_of(4)
    first = proven(shot, drawn(1), height=43)
    assert judged([first, proven(shot, drawn(10**7), height=43)]).ok
    # Of one statement with one draw all messages are the same, so the proof is the same: nothing is told by it.
    assert judged([first, proven(shot, drawn(1), height=44)]).ok
    later = proven(shot_of(5), drawn(1))
    column = "C_D of account 0, column 0, in a proof of epoch"
    found = details(judged([first, later]))
    assert {f"{column} 5 is {column} 4", "R of a book of epoch 5 is R of a book of epoch 4"} <= set(found)


def test_what_is_not_compared_any_more_is_said(monkeypatch, three):
    monkeypatch.setattr(blinder_reuse, "POINTS_MAX", 3)
    verdict = judged(three)
    assert any("left out" in limit for limit in verdict.not_proven)


def test_findings_are_bounded(monkeypatch):
    assert len(judged([b""] * (FINDINGS_MAX + 5)).findings) == FINDINGS_MAX


def test_custody_that_a_trusted_genesis_does_not_list_is_found(three):
    verdict = judged(three, listed=frozenset())
    assert [result.failed for result in verdict.packages] == ["custody"] * 3
    assert not verdict.ok
