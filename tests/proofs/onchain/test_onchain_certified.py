"""Leaves that somebody else hands out: a second list of them is a second opening of the same digits."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from clearing.base import bls
from clearing.base.certificate import signer_bitmap
from clearing.base.errors import BaseCode
from clearing.base.validators import ValidatorSet
from proofs.errors import ProofCode, VerificationFailed
from proofs.onchain.file import KeysCertificate, check_keys_certificate, prove_certified_account
from proofs.onchain.keys import EpochKeys, Leaf, certified_digest, derive_keys, leaf_path
from proofs.onchain.prover import prove_account
from proofs.onchain.verifier import verify_account
from tests.kit.proofs.onchain_epoch import Epoch, confirmed, make_epoch, opening
from tests.kit.refusals import refused

N = 256


@pytest.fixture(scope="module")
def epoch() -> Epoch:
    return make_epoch()


@pytest.fixture
def validators(market: SimpleNamespace) -> ValidatorSet:
    _, _, found = market.certified(bytes(32))
    assert isinstance(found, ValidatorSet)
    return found


TIME_S = 1_584_000_000


def signed(
    keys: EpochKeys, validators: ValidatorSet, secrets: Sequence[int], signers: Sequence[int] = (0, 1)
) -> KeysCertificate:
    digest = certified_digest(keys, validators.hash, TIME_S)
    shares = [bls.sign(secrets[index], digest) for index in signers]
    return KeysCertificate(signer_bitmap(tuple(signers)), bls.aggregate(shares))


def others(epoch: Epoch) -> tuple[tuple[Leaf, ...], ...]:
    """Lists that a server could hand out: a neighbour's digits are changed, or the own ones are."""
    first, second, *rest = epoch.leaves
    return (first, replace(second, c_d=first.c_d), *rest), (replace(first, c_d=second.c_d), second, *rest)


@pytest.mark.parametrize("which", [0, 1])
def test_a_second_list_of_leaves_would_let_holdings_be_guessed_and_no_quorum_signs_it(
    epoch: Epoch, validators: ValidatorSet, market: SimpleNamespace, which: int
) -> None:
    """`prove_account` takes leaves on trust: it is for those who made them themselves."""
    found = []
    for leaves in (epoch.leaves, others(epoch)[which]):
        keys, proof = prove_account(epoch.statement, leaves, 0, epoch.witnesses[0], epoch.seeds[0])
        found.append(opening(keys, leaves[0], proof))
    assert confirmed(epoch, epoch.witnesses[0].values, found)
    assert not confirmed(epoch, (999, 5, -1), found)

    certificate = signed(epoch.keys, validators, market.SECRETS)
    args = (0, epoch.witnesses[0], epoch.seeds[0], certificate, validators, TIME_S)
    keys, proof = prove_certified_account(epoch.statement, epoch.leaves, *args)
    assert (keys, proof) == (epoch.keys, epoch.prove(0))
    verify_account(keys, epoch.leaves[0], 0, leaf_path(epoch.leaves, 0), proof)
    with refused((BaseCode.BAD_SIGNATURE, ProofCode.WRONG_ROOT)[which]):
        prove_certified_account(epoch.statement, others(epoch)[which], *args)


def test_the_own_leaf_must_be_the_own_one_though_a_quorum_signed_it(
    epoch: Epoch, validators: ValidatorSet, market: SimpleNamespace
) -> None:
    leaves = others(epoch)[1]
    certificate = signed(derive_keys(epoch.statement, leaves), validators, market.SECRETS)
    for index in (0, -1, len(leaves)):
        with refused(ProofCode.WRONG_ROOT, VerificationFailed):
            prove_certified_account(
                epoch.statement, leaves, index, epoch.witnesses[0], epoch.seeds[0], certificate, validators, TIME_S
            )


def test_keys_need_a_quorum_of_the_set(epoch: Epoch, validators: ValidatorSet, market: SimpleNamespace) -> None:
    secrets, keys = market.SECRETS, epoch.keys
    good = signed(keys, validators, secrets)
    check_keys_certificate(keys, good, validators, TIME_S)
    with refused(BaseCode.BAD_SIGNATURE):
        check_keys_certificate(keys, good, validators, TIME_S + 1)
    one = signed(keys, validators, secrets, (0,))
    stray = msgspec.structs.replace(good, signers=signer_bitmap((0, 1, 2)))
    swapped = signed(keys, validators, secrets[::-1], (0,))
    for shown, certificate, code in (
        (keys, one, BaseCode.UNDER_QUORUM),
        (keys, KeysCertificate(bytes(32), good.aggregate), BaseCode.UNDER_QUORUM),
        (keys, stray, BaseCode.STRAY_SIGNER),
        (keys, msgspec.structs.replace(good, aggregate=swapped.aggregate), BaseCode.BAD_SIGNATURE),
        (msgspec.structs.replace(keys, epoch=keys.epoch + 1), good, BaseCode.BAD_SIGNATURE),
    ):
        with refused(code):
            check_keys_certificate(shown, certificate, validators, TIME_S)
