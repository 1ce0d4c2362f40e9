"""An owner's leaf opens for that owner, at that epoch; a node that shows another leaf has signed the proof of it."""

import msgspec
import pytest

from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import AccountHoldings
from proofs.algebra.commitment import commit_holdings, epoch_seed
from proofs.algebra.srs import basis
from proofs.epoch.package import read_package, write_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.arithmetization import complete_holdings, context_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.signed_inclusion import (
    ANSWER_FORMAT,
    NO_SIGNATURE,
    SignedInclusion,
    accuse,
    read_answer,
    sign_inclusion,
)
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.slow_package import committed, failed_check
from tests.kit.validator_records import made_validator

replace = msgspec.structs.replace
HELD = {"cash:USD": 9_000, "token:31337:WETH": 40, "position:BTC-PERP": -2}
SECRET = bytes([0x31]) * 32


def with_epoch(shot, epoch: int):
    return replace(shot, statement=replace(shot.statement, epoch=epoch, height=10 * epoch))


# The owner.


def test_two_members_with_equal_holdings_cannot_be_shown_one_leaf(market, package):
    """The node names account 1 and its seed to another member that holds the same."""
    values, seed = dict(market.HOLDINGS)[1], market.seeds()[1]
    assert verify_package(package, own=OwnAccount(1, values, seed, market.owner(1))).ok
    for other in (market.owner(5), bytes(20), bytes([1]) * 20):
        verdict = verify_package(package, own=OwnAccount(1, values, seed, other))
        assert (verdict.failed, verdict.checks[-1].code) == ("inclusion", ProofCode.NOT_INCLUDED)


def test_the_owner_moves_the_commitment_as_everything_does_that_tells_two_accounts_apart(market, package):
    good = read_package(package)
    full = complete_holdings(good.statement, AccountHoldings(1, dict(market.HOLDINGS)[1]))
    points, seed = basis(market.N), market.seeds()[1]
    owners = [market.owner(1), market.owner(5), bytes(20), bytes(19) + b"\1"]
    made = {commit_holdings(points, full, seed, context_of(good.statement, 1, owner)) for owner in owners}
    assert len(made) == len(owners)
    with pytest.raises(LocalFault, match="account owner"):
        commit_holdings(points, full, seed, context_of(good.statement, 1, bytes(32)))


def test_a_second_implementation_finds_the_same_commitment_of_an_owner(market, package):
    good, seed = read_package(package), market.seeds()[1]
    full = complete_holdings(good.statement, AccountHoldings(1, dict(market.HOLDINGS)[1]))
    stated = good.statement
    bound = (stated.network, 1, market.owner(1), stated.epoch, stated.state_root, 0)
    assert committed(market.N, full, seed, bound) == dict(good.commitments)[1]


def test_equal_commitments_in_one_package_are_refused_by_both_verifiers(market, package):
    good = read_package(package)
    (first, point), (second, _), third = good.commitments
    data = signed_anew(market, replace(good, commitments=((first, point), (second, point), third)))
    last = verify_package(data).checks[-1]
    assert (last.name, last.code) == ("roots", ProofCode.COMMITMENTS_EQUAL)
    assert failed_check(data) == "roots"


# The epoch.


@pytest.mark.parametrize("epoch", [0, 3, 5, 2**62])
def test_a_statement_of_another_epoch_than_its_headers_is_refused_by_both_verifiers(market, package, epoch):
    good = read_package(package)
    for data in (
        signed_anew(market, replace(good, statement=replace(good.statement, epoch=epoch)), epoch=4),
        signed_anew(market, good, epoch=epoch),
    ):
        last = verify_package(data).checks[-1]
        assert (last.name, last.code) == ("roots", ProofCode.EPOCH_DIFFERS)
        assert failed_check(data) == "roots"


def test_the_seed_of_a_later_epoch_opens_no_earlier_one_by_guessing(market):
    """One position is unknown: in 151 guesses the seed of epoch 4 finds it at epoch 4, and at no other epoch."""
    root, (account, held) = bytes([9]) * 32, market.HOLDINGS[1]
    shots = {epoch: with_epoch(market.snapshot(), epoch) for epoch in (3, 4)}
    seeds = {epoch: {**market.seeds(), account: epoch_seed(root, account, epoch)} for epoch in shots}
    packages = {epoch: read_package(market.honest(shots[epoch], seeds[epoch])) for epoch in shots}
    learnt = seeds[4][account]

    def guessed(package) -> list[int]:
        stated, owner = package.statement, market.owner(account)
        found = []
        for position in range(-75, 76):
            full = complete_holdings(stated, AccountHoldings(account, (held[0], held[1], position, held[3])))
            made = commit_holdings(basis(market.N), full, learnt, context_of(stated, account, owner))
            found += [position] if made == dict(package.commitments)[account] else []
        return found

    assert guessed(packages[4]) == [held[2]]
    assert guessed(packages[3]) == []


def test_a_root_seed_gives_each_account_and_epoch_a_seed_of_its_own():
    root = bytes([9]) * 32
    seeds = {epoch_seed(root, account, epoch) for account in range(4) for epoch in range(4)}
    assert len(seeds) == 16
    assert root not in seeds
    with pytest.raises(LocalFault, match="root seed"):
        epoch_seed(root[:-1], 1, 1)


# Kinds.


@pytest.mark.parametrize(("part", "place"), [("slots", 6), ("rows", 7)])
def test_a_slot_or_row_of_an_unknown_kind_is_refused_by_its_name(package, part, place):
    items = msgspec.msgpack.decode(package)
    items[6][place][1][1] = 99
    verdict = verify_package(msgspec.msgpack.encode(items))
    last = verdict.checks[-1]
    assert (last.name, last.code) == ("encoding", ProofCode.UNKNOWN_KIND)
    assert f"{part[:-1]} of kind 99" in last.detail
    assert f"name={items[6][place][1][0]}" in last.detail
    assert failed_check(msgspec.msgpack.encode(items)) == "encoding"


def test_bytes_that_are_malformed_elsewhere_are_not_taken_for_a_new_kind(package):
    items = msgspec.msgpack.decode(package)
    items[6][6][1][0] = 7
    assert verify_package(msgspec.msgpack.encode(items)).checks[-1].code is not ProofCode.UNKNOWN_KIND
    assert verify_package(package[:-1]).checks[-1].code is not ProofCode.UNKNOWN_KIND


# The signed answer.


def answered(market, **changes) -> SignedInclusion:
    """What a node signs of account 1."""
    fields = {
        "format": ANSWER_FORMAT,
        "network": market.NETWORK,
        "epoch": 4,
        "height": 40,
        "account": 1,
        "owner": market.owner(1),
        "seed": market.seeds()[1],
        "holdings": tuple(sorted(HELD.items())),
        "signer": ed25519.public_key(SECRET),
        "signature": NO_SIGNATURE,
    }
    return sign_inclusion(SignedInclusion(**{**fields, **changes}), lambda digest: ed25519.sign(SECRET, digest))


def test_an_honest_answer_is_no_evidence(market, package):
    answer = read_answer(encode(answered(market)))
    found = accuse(answer, read_package(package), validators_hash=market.validator_set().hash)
    assert (found.contradicted, found.is_validator) == (False, False)


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        ({"seed": bytes(32)}, "another commitment"),
        ({"owner": bytes(20)}, "another commitment"),
        ({"holdings": (("cash:USD", 9_001), *tuple(sorted(HELD.items()))[1:])}, "another commitment"),
        ({"account": 2}, "no such account"),
        ({"height": 41}, "height 40, not 41"),
        ({"holdings": (("cash:EUR", 1),)}, "holdings are none"),
        ({"holdings": (("position:BTC-PERP", 2**62),)}, "commitment"),
    ],
)
def test_a_signed_leaf_that_the_certified_list_lacks_is_evidence_that_anybody_can_check(market, package, lie, says):
    """By the clash: another owner is shown account 1's leaf, and the node has signed it."""
    answer = read_answer(encode(answered(market, **lie)))
    found = accuse(answer, read_package(package), validators_hash=market.validator_set().hash)
    assert found.contradicted
    assert says in found.detail
    assert answer.signer.hex() in found.detail


def test_an_accused_validator_is_named_as_one(market, monkeypatch):
    key = ed25519.public_key(SECRET)
    listed = ValidatorSet(tuple(made_validator(key, secret, 10) for secret in market.SECRETS[:1]))
    monkeypatch.setattr(market, "validator_set", lambda: listed)
    monkeypatch.setattr(market, "SECRETS", market.SECRETS[:1])
    found = accuse(answered(market, seed=bytes(32)), read_package(market.honest(market.snapshot())))
    assert (found.contradicted, found.is_validator) == (True, True)


def test_nobody_is_accused_by_what_the_node_did_not_sign_or_nobody_certified(market, package):
    good, lie = read_package(package), answered(market, seed=bytes(32))
    for bent in (replace(lie, epoch=5), replace(lie, seed=bytes([1]) * 32), replace(lie, signer=bytes(32))):
        with pytest.raises(RemoteFault, match="bad_answer"):
            read_answer(encode(bent))
    for other in (answered(market, epoch=5), answered(market, network=bytes(32))):
        with pytest.raises(VerificationFailed, match="bad_answer"):
            accuse(other, good)
    with pytest.raises(VerificationFailed, match="wrong_network"):
        accuse(lie, good, validators_hash=bytes(32))
    uncertified = replace(good, commitments=good.commitments[:-1])
    with pytest.raises(VerificationFailed, match="wrong_root"):
        accuse(lie, read_package(write_package(uncertified)))
