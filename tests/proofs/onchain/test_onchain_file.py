"""Files of the on-chain variant: what validators derive from a snapshot, sign and join, and what an account shows."""

from types import SimpleNamespace

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from proofs.algebra.group import GENERATOR, encode_point
from proofs.epoch.package import EpochPackage, read_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.onchain.file import (
    KeysShare,
    OnchainEpoch,
    account_file,
    certificate_of,
    check_account_file,
    check_file,
    check_keys_certificate,
    epoch_file,
    join_files,
    prove_certified_account,
    read_account_file,
    read_epoch_file,
    sign_keys,
    with_good_shares,
    write_file,
)
from proofs.onchain.keys import DerivedEpoch, account_witness, derive_epoch
from proofs.onchain.presentation import Audience, Presentation, check_presentation, present
from proofs.onchain.verifier import verify_account
from tests.kit.refusals import refused

TIME_S = 1_584_000_000
"""Of the small market's header."""
AUDIENCE = Audience(31337, bytes([1]) * 20, bytes([2]) * 20, bytes([3]) * 32)


@pytest.fixture(scope="module")
def derived(market: SimpleNamespace) -> DerivedEpoch:
    return derive_epoch(market.snapshot(), market.seeds(), market.N)


@pytest.fixture(scope="module")
def read(package: bytes) -> EpochPackage:
    return read_package(package)


@pytest.fixture(scope="module")
def signed(derived: DerivedEpoch, read: EpochPackage, market: SimpleNamespace) -> OnchainEpoch:
    shares = [sign_keys(derived.keys, read.validators, i, secret, TIME_S) for i, secret in enumerate(market.SECRETS)]
    return epoch_file(derived.keys, derived.leaves, TIME_S, shares)


def test_what_a_validator_derives_is_what_the_package_says(derived: DerivedEpoch, read: EpochPackage) -> None:
    assert derived.statement.linear.context == read.header.commitments_root
    assert tuple((leaf.account, leaf.c_w) for leaf in derived.leaves) == read.commitments
    assert (derived.keys.network, derived.keys.epoch, derived.keys.height) == (
        read.statement.network,
        read.statement.epoch,
        read.statement.height,
    )
    check_file(epoch_file(derived.keys, derived.leaves, TIME_S), read)
    with refused(ProofCode.KEYS_DIFFER, VerificationFailed):
        check_file(epoch_file(derived.keys, derived.leaves, TIME_S + 1), read)


def test_from_a_snapshot_to_a_proof_that_holds(
    signed: OnchainEpoch, derived: DerivedEpoch, read: EpochPackage, market: SimpleNamespace
) -> None:
    epoch = read_epoch_file(write_file(signed))
    assert epoch == signed
    certificate = certificate_of(epoch, read.validators)
    check_keys_certificate(epoch.keys, certificate, read.validators, TIME_S)
    for index, account in enumerate(market.snapshot().accounts):
        seed = market.seeds()[account.account]
        witness = account_witness(read.statement, derived.statement.linear.layout, account, seed)
        keys, proof = prove_certified_account(
            derived.statement, epoch.all_leaves, index, witness, seed, certificate, read.validators, TIME_S
        )
        leaf = epoch.all_leaves[index]
        presented = present(AUDIENCE, keys.hash, leaf, seed, derived.statement.linear.context)
        shown = read_account_file(write_file(account_file(epoch, index, proof, presented)))
        check_account_file(shown)
        for place in ("chain_id", "verifier", "caller", "purpose"):
            value = 9 if place == "chain_id" else bytes([9]) * len(getattr(AUDIENCE, place))
            moved = msgspec.structs.replace(AUDIENCE, **{place: value})
            with refused(ProofCode.NOT_PRESENTED, VerificationFailed):
                check_presentation(msgspec.structs.replace(presented, audience=moved), keys.hash, leaf)
        for changes in ({"r": bytes(32)}, {"vs": bytes([255]) * 32}):
            with refused(ProofCode.NOT_PRESENTED, VerificationFailed):
                check_presentation(msgspec.structs.replace(presented, **changes), keys.hash, leaf)
        assert shown.keys == keys
        verify_account(shown.keys, shown.leaf.leaf, shown.index, shown.path, shown.proof)


def test_the_keys_of_a_file_are_derived_again(signed: OnchainEpoch, read: EpochPackage) -> None:
    other = encode_point(GENERATOR)
    for changes in ({"v": other}, {"constant": bytes(32)}, {"epoch": 9}, {"leaves_root": bytes(32)}):
        keys = msgspec.structs.replace(signed.keys, **changes)
        with refused(ProofCode.KEYS_DIFFER, VerificationFailed):
            check_file(msgspec.structs.replace(signed, keys=keys), read)
    first = msgspec.structs.replace(signed.leaves[0], c_d=(other,))
    with refused(ProofCode.KEYS_DIFFER, VerificationFailed):
        check_file(msgspec.structs.replace(signed, leaves=(first, *signed.leaves[1:])), read)
    for leaves in (signed.leaves[1:], signed.leaves[::-1]):
        with refused(ProofCode.BAD_STATEMENT, VerificationFailed):
            check_file(msgspec.structs.replace(signed, leaves=leaves), read)


def test_a_quorum_is_made_of_good_shares_of_one_set(
    signed: OnchainEpoch, derived: DerivedEpoch, read: EpochPackage, market: SimpleNamespace
) -> None:
    def refused(*shares: KeysShare) -> bool:
        try:
            certificate_of(epoch_file(derived.keys, derived.leaves, TIME_S, shares), read.validators)
        except RemoteFault as fault:
            assert fault.code is BaseCode.UNDER_QUORUM
            return True
        return False

    first, second = signed.shares
    swapped = msgspec.structs.replace(second, signature=first.signature)
    elsewhere = msgspec.structs.replace(second, validators_hash=bytes(32))
    stray = msgspec.structs.replace(second, validator=9)
    damaged = msgspec.structs.replace(second, signature=bytes(96))
    old = sign_keys(msgspec.structs.replace(derived.keys, epoch=1), read.validators, 1, market.SECRETS[1], TIME_S)
    later = sign_keys(derived.keys, read.validators, 1, market.SECRETS[1], TIME_S + 1)
    for bad in (swapped, elsewhere, stray, damaged, old, later):
        assert refused(first, bad)
    assert refused()
    assert refused(first)
    assert not refused(first, second)
    # A false share beside a quorum takes nothing from it.
    assert not refused(first, second, stray, elsewhere)


def test_shares_are_joined_from_files_of_the_same_keys(signed: OnchainEpoch, derived: DerivedEpoch) -> None:
    parts = [epoch_file(derived.keys, derived.leaves, TIME_S, (share,)) for share in signed.shares]
    assert join_files(parts) == join_files(parts[::-1]) == join_files([*parts, signed]) == signed
    other = msgspec.structs.replace(parts[1], keys=msgspec.structs.replace(derived.keys, epoch=9))
    with refused(ProofCode.KEYS_DIFFER, VerificationFailed):
        join_files([parts[0], other])


def test_a_false_share_takes_nobodys_place_when_files_are_joined(
    signed: OnchainEpoch, derived: DerivedEpoch, market: SimpleNamespace
) -> None:
    """A peer that spreads a file with false shares under the validators' names would keep every quorum out of it."""
    validators = market.certified(bytes(32))[2]
    false = [msgspec.structs.replace(share, signature=signed.shares[0].signature) for share in signed.shares[1:]]
    hostile = epoch_file(derived.keys, derived.leaves, TIME_S, false)
    assert with_good_shares(hostile, validators).shares == ()
    stranger = msgspec.structs.replace(signed.shares[0], validators_hash=bytes(32))
    mixed = epoch_file(derived.keys, derived.leaves, TIME_S, (*signed.shares, stranger))
    assert with_good_shares(mixed, validators) == mixed
    joined = join_files([with_good_shares(file, validators) for file in (hostile, signed)])
    assert joined == signed


def test_hostile_files_are_refused(signed: OnchainEpoch) -> None:
    data = write_file(signed)
    for bad in (b"", data[:-1], data + b"\0", b"\xc1" + data[1:], encode(signed.keys)):
        with pytest.raises(RemoteFault):
            read_epoch_file(bad)
        with pytest.raises(RemoteFault):
            read_account_file(bad)
    for shares in (signed.shares[::-1], signed.shares[:1] * 2):
        with refused(BaseCode.MALFORMED):
            read_epoch_file(encode(msgspec.structs.replace(signed, shares=shares)))
    shown = account_file(signed, 0, bytes(1056), Presentation(AUDIENCE, bytes(32), bytes(32)))
    for changes in ({"path": (bytes(32),) * 21}, {"proof": bytes(5000)}, {"index": 2**32}, {"format": "another"}):
        with pytest.raises(RemoteFault):
            read_account_file(encode(msgspec.structs.replace(shown, **changes)))
    for at in range(0, len(data), 97):
        changed = bytearray(data)
        changed[at] ^= 0x41
        try:
            read_epoch_file(bytes(changed))
        except RemoteFault:
            continue


def test_an_account_without_its_seed_gives_no_leaves(market: SimpleNamespace) -> None:
    seeds = dict(market.seeds())
    del seeds[5]
    with refused(ProofCode.BAD_LENGTH, LocalFault):
        derive_epoch(market.snapshot(), seeds, market.N)


def test_a_listed_shortfall_is_in_the_leaf(market: SimpleNamespace) -> None:
    holdings = ((0, (5_000, 10, 0, 3)), (1, (0, 0, -2, 0)), (5, (2_000, 700, 2, -3)))
    derived = derive_epoch(market.snapshot(holdings, ((1, 20_000),)), market.seeds(), market.N)
    assert [leaf.shortfall for leaf in derived.leaves] == [0, 20_000, 0]
