"""Standalone proofs: what one member shows of its own account, and everything that such a file must not pass for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.base.errors import LocalFault, RemoteFault
from clearing.margin.statement.snapshot import Row, RowKind
from proofs.epoch.package import commitments_root, linear_statement, read_package, write_package
from proofs.epoch.prover import commit_epoch
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.prover import prove
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import complete_holdings, layout_of
from proofs.verify.standalone import (
    STANDALONE_BYTES_MAX,
    AccountStatements,
    StandaloneProof,
    read_standalone,
    verify_standalone,
    verify_standalones,
    write_standalone,
)
from proofs.verify.standalone_prover import make_standalone, prove_account
from proofs.verify.verdict import OwnAccount

CHECKS = ("encoding", "certificate", "roots", "statement", "rules", "listed", "solvency")


def own(market, member=1, **changes):
    fields = {"account": member, "values": dict(market.HOLDINGS)[member], "seed": market.seeds()[member]}
    fields["owner"] = market.owner(member)
    return OwnAccount(**{**fields, **changes})


@pytest.fixture(scope="module")
def read(package):
    return read_package(package)


@pytest.fixture(scope="module")
def proof(market, read) -> bytes:
    return prove_account(read, own(market))


def changed(package, **changes):
    return write_package(replace(package, **changes))


def test_a_proof_of_one_account_passes_every_check_and_has_500_bytes(market, package, proof):
    verdict = verify_standalone(proof, package, network=market.NETWORK)
    assert verdict.ok, verdict.checks[-1]
    assert tuple(check.name for check in verdict.checks) == CHECKS
    assert "account 1 meets its maintenance requirement" in verdict.claim
    assert (verdict.height, verdict.epoch) == (40, 4)
    assert any("nothing of any other account" in limit for limit in verdict.not_proven)
    assert len(proof) == 500


def test_two_proofs_of_one_account_share_no_byte_but_the_commitment(market, read, proof):
    again = prove_account(read, own(market))
    pieces = [{data[at : at + 16] for at in range(52, len(data) - 15)} for data in (proof, again)]
    assert not pieces[0] & pieces[1]
    assert again[:52] == proof[:52]


def test_the_packages_own_proof_is_not_needed(read, proof):
    assert verify_standalone(proof, changed(read, proof=b"", book=b"")).ok


@pytest.mark.parametrize(
    "change", [{"seed": bytes(32)}, {"values": (9_001, 40, -2, 0)}, {"values": (5_000, 10, 0, 3)}, {"account": 5}]
)
def test_holdings_or_a_seed_that_were_not_committed_make_no_proof(market, read, change):
    with pytest.raises(LocalFault, match="not_included"):
        prove_account(read, own(market, **change))


def test_a_proof_is_made_only_for_what_a_trusted_quorum_certified(market, package, read):
    """Rows that a stranger made up would make a member answer what the stranger asks."""
    trusted = {"network": market.NETWORK, "validators_hash": read.validators.hash}
    made = make_standalone(package, own(market), **trusted)
    assert verify_standalone(made, package, **trusted).ok
    for name in trusted:
        with pytest.raises(RemoteFault):
            make_standalone(package, own(market), **{**trusted, name: bytes(32)})
    asking = (*market.rows(), Row("asks", RowKind.AT_LEAST_ZERO, ((market.CASH, 1),), -9_000))
    with pytest.raises(RemoteFault, match="wrong_root"):
        make_standalone(changed(read, statement=replace(read.statement, rows=asking)), own(market), **trusted)


def test_an_account_that_is_not_there_makes_no_proof(market, read):
    with pytest.raises(RemoteFault, match="not_included"):
        prove_account(read, own(market, account=77))


def test_a_proof_is_refused_with_the_package_of_another_epoch(market, package, proof):
    later = replace(market.snapshot().statement, epoch=5)
    other = market.honest(replace(market.snapshot(), statement=later))
    verdict = verify_standalone(proof, other)
    assert (verdict.failed, verdict.claim) == ("listed", "")
    assert "not_included" in verdict.checks[-1].detail


def certified_again(market, read, **changes):
    """The package with another public part, certified for it: what a quorum could do."""
    good = replace(read, **changes)
    root = commitments_root(good.statement, good.commitments, good.domain)
    head = market.certified(root, epoch=good.statement.epoch)
    return changed(good, **dict(zip(("header", "certificate", "validators"), head, strict=True)))


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"epoch": 5}, "solvency"),
        ({"state_root": bytes(32)}, "solvency"),
        ({"shortfalls": ((1, 9),)}, "solvency"),
        ({"prices": ()}, "rules"),
        ({"height": 39}, "roots"),
    ],
)
def test_a_proof_is_refused_for_the_same_commitment_under_another_statement(market, read, proof, change, failed):
    other = certified_again(market, read, statement=replace(read.statement, **change))
    assert verify_standalone(proof, other).failed == failed


def test_a_proof_is_refused_for_another_account_that_bears_its_commitment(market, read, proof):
    first, (account, commitment), third = read.commitments
    swapped = (first, (account + 1, commitment), third)
    assert verify_standalone(proof, certified_again(market, read, commitments=swapped)).failed == "solvency"


def test_a_list_with_one_commitment_twice_is_refused_and_names_no_account(market, read, proof):
    first, second, (account, _) = read.commitments
    doubled = certified_again(market, read, commitments=(first, second, (account, second[1])))
    verdict = verify_standalone(proof, doubled)
    assert (verdict.failed, verdict.checks[-1].code) == ("roots", ProofCode.COMMITMENTS_EQUAL)
    with pytest.raises(VerificationFailed, match="blinders_reused"):
        AccountStatements(read_package(doubled)).account_of(second[1])


def test_a_joint_proof_of_one_account_does_not_pass_for_a_standalone_one(market):
    alone = ((1, (9_000, 40, 0, 0)),)
    package = read_package(market.honest(market.snapshot(alone)))
    joint = write_standalone(StandaloneProof(package.commitments[0][1], package.proof))
    made = prove_account(package, own(market, values=alone[0][1]))
    verdicts = verify_standalones([joint, made], write_package(package))
    assert [verdict.failed for verdict in verdicts] == ["solvency", None]


@pytest.mark.parametrize(("slot", "value"), [("CASH", -9_000), ("TOKEN", -1), ("R_BTC", 0)])
def test_a_cheating_member_whose_account_breaks_a_row_is_refused_as_solvency(market, slot, value):
    """Everything but the prover's own check of its witness is as in an honest run."""
    cheat = market.Cheat(market.snapshot())
    witnesses = cheat.witnesses({1: {getattr(market, slot): value}})
    package = cheat.package(witnesses)
    statement = AccountStatements(read_package(package)).of(1)
    data, _ = prove(statement, [witnesses[1]], check_witness=False)
    forged = write_standalone(StandaloneProof(statement.commitments[0], data))
    assert verify_standalone(forged, package).failed == "solvency"


def test_a_proof_for_softer_rows_is_refused_as_solvency(market, package, read):
    soft = market.snapshot(system=market.rows({"BTC": (market.BTC, market.R_BTC, (90, -70))}))
    softer = replace(read, statement=replace(soft.statement, scenarios=2))
    hiding = market.Cheat(market.snapshot()).witnesses()[1].blinders
    full = complete_holdings(soft.statement, soft.accounts[1])
    witness = make_witness(layout_of(soft.statement, market.N), full, 0, hiding)
    data, _ = prove(AccountStatements(softer).of(1), [witness])
    forged = write_standalone(StandaloneProof(read.commitments[1][1], data))
    assert verify_standalone(forged, package).failed == "solvency"


def test_a_listed_shortfall_is_told(market):
    holdings = ((0, (5_000, 10, 0, 3)), (1, (-200, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
    package = market.honest(market.snapshot(holdings, [(1, 15_200)]))
    made = prove_account(read_package(package), own(market, values=holdings[1][1]))
    assert "short of its maintenance requirement by at most 15200" in verify_standalone(made, package).claim


def test_many_proofs_are_judged_at_once_each_by_itself(market, package, read, proof):
    house, fifth = (prove_account(read, own(market, account)) for account in (0, 5))
    broken = proof[:-1] + bytes([proof[-1] ^ 1])
    verdicts = verify_standalones([proof, broken, house, b"", fifth, proof], package)
    assert [verdict.failed for verdict in verdicts] == [None, "solvency", None, "encoding", None, None]
    assert "account 5" in verdicts[4].claim
    assert verify_standalones([], package) == []


def test_nothing_is_believed_of_a_package_that_no_quorum_certified(package, read, proof):
    refused = verify_standalone(proof, package, network=bytes(32))
    assert [check.name for check in refused.checks] == ["encoding", "certificate"]
    assert refused.not_run == ("roots", "statement", "rules", "listed", "solvency")
    assert verify_standalone(proof, package, validators_hash=bytes(32)).failed == "certificate"
    assert verify_standalone(proof, b"").failed == "encoding"
    assert verify_standalone(proof, changed(read, srs=bytes(32))).failed == "statement"


@given(at=st.integers(0, 499), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_any_flipped_bit_is_refused(package, proof, at, bit):
    broken = bytearray(proof)
    broken[at] ^= 1 << bit
    verdict = verify_standalone(bytes(broken), package)
    assert verdict.failed in {"encoding", "listed", "solvency"}
    assert verdict.claim == ""


@given(
    data=st.one_of(st.binary(max_size=600), st.binary(min_size=496, max_size=496).map(lambda rest: b"ccs\x01" + rest))
)
@settings(max_examples=60)
def test_bytes_of_any_kind_are_judged_and_never_raise(package, data):
    assert verify_standalone(data, package).failed in {"encoding", "listed"}


@pytest.mark.parametrize("cut", [0, 3, 52, 499, 501, 627, STANDALONE_BYTES_MAX + 1])
def test_every_other_length_fails_as_encoding(package, proof, cut):
    assert verify_standalone((proof + bytes(cut))[:cut], package).failed == "encoding"


def test_a_length_for_more_columns_than_the_layout_has_is_refused(package, proof):
    longer = proof + bytes(128)
    assert read_standalone(longer).commitment == proof[4:52]
    assert verify_standalone(longer, package).failed == "solvency"


def test_standalone_and_joint_statement_differ_in_their_context_alone(market, read):
    shot = market.snapshot(((1, (9_000, 40, 0, 0)),))
    commitments = commit_epoch(shot, market.seeds(), market.N)
    good = replace(read, statement=shot.statement, commitments=commitments)
    alone = AccountStatements(good).of(1)
    joint = linear_statement(shot.statement, commitments, market.N)
    assert (alone.layout, alone.accounts, alone.commitments) == (joint.layout, joint.accounts, joint.commitments)
    assert alone.context != joint.context
