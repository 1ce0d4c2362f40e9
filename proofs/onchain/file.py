"""The on-chain file of an epoch (`.cco`): keys, all leaves, validators' signatures; and one account's proof (`.cca`).

Rule: exact typed decoding within limits, nothing believed. A file vouches for nothing by itself: keys are derived
again from leaves and package (`check_file`), or a quorum signed them (`certificate_of`). C_D hides with two blinders,
so it may be opened once: other leaves beside the own one would be another root, another y and a second opening, after
which holdings can be guessed and confirmed. So an account is proven only under keys that a quorum signed, and only if
its own leaf is the one that the prover computes. The caller decides whom to trust.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from clearing.base import bls
from clearing.base.certificate import signer_bitmap, signer_indices
from clearing.base.codec import U32, U63, Bytes20, Bytes32, Bytes48, Bytes96, Wire, decode, encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.ids import EvmAddress
from clearing.base.validators import ValidatorSet
from proofs.algebra.srs import basis
from proofs.epoch.epoch_number import check_epoch_number
from proofs.epoch.package import EpochPackage
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COLUMNS_MAX
from proofs.linear.statement import Witness, weights_of
from proofs.onchain.keys import (
    ACCOUNTS_MAX,
    EpochKeys,
    EpochStatement,
    Leaf,
    certified_digest,
    check_keys,
    derive_keys,
    epoch_statement,
    leaf_path,
    make_leaf,
    row_challenge,
)
from proofs.onchain.messages import proof_bytes
from proofs.onchain.presentation import Presentation, check_presentation
from proofs.onchain.prover import prove_leaf
from proofs.onchain.verifier import verify_account


class KeysCertificate(Wire, frozen=True):
    """A quorum's signature over epoch keys. `signers` has bit i of the big-endian integer set for validator i."""

    signers: Bytes32
    aggregate: Bytes96


def check_keys_certificate(
    keys: EpochKeys, certificate: KeysCertificate, validators: ValidatorSet, time_s: int
) -> None:
    """Whether more than two thirds of the set's power signed keys and time, as the contract sees it.

    Raises RemoteFault.
    """
    indices = signer_indices(certificate.signers)
    if indices and indices[-1] >= len(validators.validators):
        raise RemoteFault(BaseCode.STRAY_SIGNER, "epoch keys", signer=indices[-1])
    signed = [validators.validators[index] for index in indices]
    power = sum(validator.power for validator in signed)
    if not validators.is_quorum(power):
        raise RemoteFault(BaseCode.UNDER_QUORUM, "epoch keys", power=power, total=validators.total_power)
    digest = certified_digest(keys, validators.hash, time_s)
    if not bls.verify_aggregate([validator.bls_key for validator in signed], digest, certificate.aggregate):
        raise RemoteFault(BaseCode.BAD_SIGNATURE, "epoch keys", epoch=keys.epoch)


def prove_certified_account(
    statement: EpochStatement,
    leaves: Sequence[Leaf],
    index: int,
    witness: Witness,
    seed: bytes,
    certificate: KeysCertificate,
    validators: ValidatorSet,
    time_s: int,
) -> tuple[EpochKeys, bytes]:
    """The keys, and the proof of account number `index`, from whichever source the leaves are.

    Raises VerificationFailed WRONG_ROOT when the leaf is not the one of this witness and seed, RemoteFault for keys
    that no quorum of the set signed, and as `prover.prove_account`.
    """
    linear = statement.linear
    keys = derive_keys(statement, leaves)
    if (
        not 0 <= index < len(leaves)
        or make_leaf(linear, index, witness, seed, basis(linear.layout.size)) != leaves[index]
    ):
        raise VerificationFailed(ProofCode.WRONG_ROOT, "own leaf", index=index, leaves=len(leaves))
    check_keys_certificate(keys, certificate, validators, time_s)
    weights = weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, keys.leaves_root))
    return keys, prove_leaf(linear.layout, weights, keys, leaves[index], witness, seed)


FORMAT: Literal["crossclear-onchain-epoch/2"] = "crossclear-onchain-epoch/2"
ACCOUNT_FORMAT: Literal["crossclear-onchain-account/2"] = "crossclear-onchain-account/2"
SUFFIX, ACCOUNT_SUFFIX = ".cco", ".cca"
FILE_BYTES_MAX = 64 << 20
ACCOUNT_BYTES_MAX = 1 << 16
SHARES_MAX = 256
DEPTH_MAX = 20

Columns = Annotated[tuple[Bytes48, ...], msgspec.Meta(min_length=1, max_length=COLUMNS_MAX)]


class LeafRecord(Wire, frozen=True):
    """A leaf as it lies in a file."""

    account: U63
    shortfall: U63
    c_w: Bytes48
    c_d: Columns
    presenter: Bytes20

    @property
    def leaf(self) -> Leaf:
        """Its meaning."""
        return Leaf(self.account, self.shortfall, self.c_w, self.c_d, self.presenter)


class KeysShare(Wire, frozen=True):
    """One validator's signature over `keys.certified_digest`, by its index in the set of this hash."""

    validators_hash: Bytes32
    validator: U32
    signature: Bytes96


class OnchainEpoch(Wire, frozen=True, dict=True):
    """One epoch's public part. `shares` are ordered by set and index, each at most once; there may be none."""

    format: Literal["crossclear-onchain-epoch/2"]
    keys: EpochKeys
    leaves: Annotated[tuple[LeafRecord, ...], msgspec.Meta(min_length=1, max_length=ACCOUNTS_MAX)]
    shares: Annotated[tuple[KeysShare, ...], msgspec.Meta(max_length=SHARES_MAX)]
    time_s: U63
    """Of the header that certifies the epoch, in seconds; the shares are over it, too."""

    @cached_property
    def all_leaves(self) -> tuple[Leaf, ...]:
        """The leaves, in order."""
        return tuple(record.leaf for record in self.leaves)


class OnchainAccount(Wire, frozen=True):
    """What one account submits to a contract."""

    format: Literal["crossclear-onchain-account/2"]
    keys: EpochKeys
    leaf: LeafRecord
    index: U32
    path: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=DEPTH_MAX)]
    proof: Annotated[bytes, msgspec.Meta(max_length=proof_bytes(COLUMNS_MAX))]
    presentation: Presentation
    """For whom, and for what purpose."""


def _record_of(leaf: Leaf) -> LeafRecord:
    """A leaf for a file."""
    return LeafRecord(leaf.account, leaf.shortfall, leaf.c_w, leaf.c_d, EvmAddress(leaf.presenter))


def epoch_file(keys: EpochKeys, leaves: Sequence[Leaf], time_s: int, shares: Sequence[KeysShare] = ()) -> OnchainEpoch:
    """The file's content, shares in order; `time_s` of the header that certifies the epoch."""
    ordered = sorted(shares, key=lambda share: (share.validators_hash, share.validator))
    return OnchainEpoch(
        format=FORMAT, keys=keys, leaves=tuple(map(_record_of, leaves)), shares=tuple(ordered), time_s=time_s
    )


def account_file(epoch: OnchainEpoch, index: int, proof: bytes, presentation: Presentation) -> OnchainAccount:
    """What account number `index` shows, with its path. Raises IndexError."""
    path = leaf_path(epoch.all_leaves, index)
    return OnchainAccount(
        format=ACCOUNT_FORMAT,
        keys=epoch.keys,
        leaf=epoch.leaves[index],
        index=index,
        path=path,
        proof=proof,
        presentation=presentation,
    )


def check_account_file(account: OnchainAccount) -> None:
    """All that the contract checks of an account's file, but who certified the keys; and that a chain may have closed
    their epoch, which no quorum certifies otherwise. Raises RemoteFault."""
    keys, leaf = account.keys, account.leaf.leaf
    check_epoch_number(keys.epoch, keys.height, "epoch keys")
    verify_account(keys, leaf, account.index, account.path, account.proof)
    check_presentation(account.presentation, keys.hash, leaf)


def write_file(content: OnchainEpoch | OnchainAccount) -> bytes:
    """The bytes of either file."""
    return encode(content)


def read_epoch_file(data: bytes) -> OnchainEpoch:
    """Read a `.cco`. Raises RemoteFault OVERSIZE, MALFORMED, NON_CANONICAL."""
    epoch = decode(data, OnchainEpoch, FILE_BYTES_MAX)
    order = [(share.validators_hash, share.validator) for share in epoch.shares]
    if order != sorted(set(order)):
        raise RemoteFault(BaseCode.MALFORMED, "shares are not in order, each once", shares=len(order))
    return epoch


def read_account_file(data: bytes) -> OnchainAccount:
    """Read a `.cca`. Raises RemoteFault OVERSIZE, MALFORMED, NON_CANONICAL."""
    return decode(data, OnchainAccount, ACCOUNT_BYTES_MAX)


def check_file(epoch: OnchainEpoch, package: EpochPackage) -> None:
    """Derive the keys again from the file's leaves and a package that the caller has verified.

    Raises VerificationFailed KEYS_DIFFER naming what differs, BAD_STATEMENT for leaves of another statement, BAD_POINT.
    """
    statement = epoch_statement(package.statement, package.commitments, package.domain)
    check_keys(epoch.keys, statement, epoch.all_leaves)
    certified_s = package.header.time_ms // 1000
    if epoch.time_s != certified_s:
        raise VerificationFailed(ProofCode.KEYS_DIFFER, "time", stated=epoch.time_s, certified=certified_s)


def sign_keys(keys: EpochKeys, validators: ValidatorSet, validator: int, secret: int, time_s: int) -> KeysShare:
    """A validator's share over keys that it has derived itself, and the time of the header that certifies their epoch;
    other keys must not be signed."""
    signature = bls.sign(secret, certified_digest(keys, validators.hash, time_s))
    return KeysShare(validators_hash=validators.hash, validator=validator, signature=signature)


def good_shares(epoch: OnchainEpoch, validators: ValidatorSet) -> dict[int, bytes]:
    """Signatures of this set's validators that are good, by index; false ones are left out."""
    digest = certified_digest(epoch.keys, validators.hash, epoch.time_s)
    return {
        share.validator: share.signature
        for share in epoch.shares
        if share.validators_hash == validators.hash and _is_good(share, validators, digest)
    }


def with_good_shares(epoch: OnchainEpoch, validators: ValidatorSet) -> OnchainEpoch:
    """The same without false shares of this set; those of other sets are not judged."""
    good, known = good_shares(epoch, validators), validators.hash
    shares = [share for share in epoch.shares if share.validators_hash != known or share.validator in good]
    return epoch_file(epoch.keys, epoch.all_leaves, epoch.time_s, shares)


def certificate_of(epoch: OnchainEpoch, validators: ValidatorSet) -> KeysCertificate:
    """The quorum's certificate out of the good shares. Raises RemoteFault UNDER_QUORUM with the power that signed."""
    good = good_shares(epoch, validators)
    power = sum(validators.validators[index].power for index in good)
    if not validators.is_quorum(power):
        raise RemoteFault(BaseCode.UNDER_QUORUM, "epoch keys", power=power, total=validators.total_power)
    aggregate = bls.aggregate([good[index] for index in sorted(good)])
    certificate = KeysCertificate(signers=signer_bitmap(tuple(good)), aggregate=aggregate)
    check_keys_certificate(epoch.keys, certificate, validators, epoch.time_s)
    return certificate


def join_files(files: Sequence[OnchainEpoch]) -> OnchainEpoch:
    """One file with the shares of all, which must be of the same keys and leaves.

    Raises VerificationFailed KEYS_DIFFER.
    """
    first, shares = files[0], dict[tuple[bytes, int], KeysShare]()
    for file in files:
        if (file.keys, file.leaves, file.time_s) != (first.keys, first.leaves, first.time_s):
            raise VerificationFailed(
                ProofCode.KEYS_DIFFER, "files of two epochs", epoch=first.keys.epoch, other=file.keys.epoch
            )
        for share in file.shares:
            shares.setdefault((share.validators_hash, share.validator), share)
    return epoch_file(first.keys, first.all_leaves, first.time_s, tuple(shares.values()))


def _is_good(share: KeysShare, validators: ValidatorSet, digest: bytes) -> bool:
    if share.validator >= len(validators.validators):
        return False
    try:
        return bls.verify(validators.validators[share.validator].bls_key, digest, share.signature)
    except RemoteFault:
        return False
