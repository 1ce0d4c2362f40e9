"""`crossclear onchain`: an epoch's keys for contracts, from the validators' homes to what one account shows.

Rule: a validator signs only keys that it has derived from its own state, under the header that its own network made
final; a member proves only under keys that a quorum signed. Files are hostile; packages are judged as by `verify`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.margin.snapshot import AccountHoldings
from clearing.state.state import State
from node.verify import Anchor, Own, own_account, read_hex32, read_limited
from proofs.errors import ProofCode
from proofs.onchain.certified import prove_certified_account
from proofs.onchain.file import (
    ACCOUNT_BYTES_MAX,
    FILE_BYTES_MAX,
    KeysShare,
    OnchainEpoch,
    account_file,
    certificate_of,
    check_file,
    epoch_file,
    good_shares,
    join_files,
    read_account_file,
    read_epoch_file,
    sign_keys,
    write_file,
)
from proofs.onchain.keys import epoch_statement
from proofs.onchain.snapshot import account_witness, derive_epoch
from proofs.onchain.verifier import verify_account
from proofs.package import PACKAGE_BYTES_MAX, EpochPackage, read_package
from proofs.verify import PackageChecks

if TYPE_CHECKING:
    from bridge.solvency import Shown
    from bridge.solvency_sender import SolvencySender


@dataclass(frozen=True, slots=True, repr=False)
class HomeSecrets:
    """What a validator's home adds to its state; `bls_secret` is 0 where it is not to sign."""

    network_seed: bytes
    envelope_key: bytes
    bls_secret: int


class EpochReport(msgspec.Struct, frozen=True):
    """What is known of an epoch's keys."""

    epoch: int
    accounts: int
    keys: str
    """Hash of the keys, as the contract keeps it."""
    commitments_root: str
    signed_power: int
    total_power: int
    certified: bool
    anchored: bool
    """Whether network and validator set are those that the caller trusts, and not the file's own."""


class AccountReport(msgspec.Struct, frozen=True):
    """What an account's file shows, all of it checked but who certified the keys."""

    epoch: int
    account: int
    shortfall: int
    keys: str
    bytes: int


class Calldata(msgspec.Struct, frozen=True):
    """Of one call of the contract `SolvencyVerifier`, hex."""

    function: str
    data: str


def trusted_package(path: Path, anchor: Anchor) -> EpochPackage:
    """A package whose public part holds: certificate, roots, statement, rules. Raises RemoteFault."""
    package = read_package(read_limited(path, PACKAGE_BYTES_MAX))
    for _, check in PackageChecks(
        package, anchor.network, anchor.validators_hash, genesis=anchor.genesis
    ).of_its_public_part():
        check()
    return package


def derive_from_state(package: EpochPackage, state: State, secrets: HomeSecrets) -> OnchainEpoch:
    """The keys and leaves of the epoch whose snapshot is of this state, with the own share where the home may sign.

    Raises LocalFault KEYS_DIFFER when the state is not the one whose commitments the package's header carries.
    """
    # Imported here: `verify` needs neither the rulebook nor the market.
    from clearing.epoch import take_snapshot
    from node.epochs.service import AccountSeeds

    derived = derive_epoch(take_snapshot(state), AccountSeeds(secrets.network_seed), package.domain)
    if derived.statement.linear.context != package.header.commitments_root:
        raise LocalFault(
            ProofCode.KEYS_DIFFER,
            "own state",
            certified=package.header.commitments_root,
            found=derived.statement.linear.context,
        )
    validators, shares = package.validators, list[KeysShare]()
    own = validators.index_of.get(secrets.envelope_key)
    if secrets.bls_secret and own is not None:
        shares.append(sign_keys(derived.keys, validators, own, secrets.bls_secret))
    return epoch_file(derived.keys, derived.leaves, shares)


def read_epoch(path: Path) -> OnchainEpoch:
    """An epoch's file. Raises RemoteFault, LocalFault."""
    return read_epoch_file(read_limited(path, FILE_BYTES_MAX))


def join_epochs(paths: Sequence[Path], package: EpochPackage) -> OnchainEpoch:
    """One file with all shares, its keys derived again. Raises RemoteFault KEYS_DIFFER."""
    joined = join_files([read_epoch(path) for path in paths])
    check_file(joined, package)
    return joined


def report_of_epoch(epoch: OnchainEpoch, package: EpochPackage, *, anchored: bool) -> EpochReport:
    """Derive the keys again and count who signed. Raises RemoteFault KEYS_DIFFER, BAD_STATEMENT."""
    check_file(epoch, package)
    power = sum(package.validators.validators[index].power for index in good_shares(epoch, package.validators))
    return EpochReport(
        epoch=epoch.keys.epoch,
        accounts=epoch.keys.accounts,
        keys=epoch.keys.hash.hex(),
        commitments_root=epoch.keys.commitments_root.hex(),
        signed_power=power,
        total_power=package.validators.total_power,
        certified=package.validators.is_quorum(power),
        anchored=anchored,
    )


def prove_own(epoch: OnchainEpoch, package: EpochPackage, own: Own, data: bytes) -> bytes:
    """The bytes of what the own account shows a contract; `data` is the package's.

    Raises RemoteFault UNDER_QUORUM for keys that no quorum signed, KEYS_DIFFER; LocalFault WITNESS_OUT_OF_RANGE,
    NOT_INCLUDED.
    """
    check_file(epoch, package)
    certificate = certificate_of(epoch, package.validators)
    account = own_account(data, own)
    index = next((i for i, leaf in enumerate(epoch.leaves) if leaf.account == own.account), None)
    if account is None or index is None:
        raise LocalFault(ProofCode.NOT_INCLUDED, f"account {own.account}", accounts=len(epoch.leaves))
    statement = epoch_statement(package.statement, package.commitments, package.domain)
    holdings = AccountHoldings(own.account, account.values, epoch.leaves[index].shortfall)
    witness = account_witness(package.statement, statement.linear.layout, holdings, account.seed)
    _, proof = prove_certified_account(
        statement, epoch.all_leaves, index, witness, account.seed, certificate, package.validators
    )
    shown = account_file(epoch, index, proof)
    verify_account(shown.keys, shown.leaf.leaf, shown.index, shown.path, shown.proof)
    return write_file(shown)


def check_account(path: Path, keys_hash: bytes) -> AccountReport:
    """Check an account's file under keys of this hash. Raises RemoteFault KEYS_DIFFER, WRONG_ROOT, PROOF_REFUSED."""
    data = read_limited(path, ACCOUNT_BYTES_MAX)
    shown = read_account_file(data)
    if shown.keys.hash != keys_hash:
        raise RemoteFault(ProofCode.KEYS_DIFFER, "account's file", shown=shown.keys.hash, trusted=keys_hash)
    verify_account(shown.keys, shown.leaf.leaf, shown.index, shown.path, shown.proof)
    return AccountReport(
        epoch=shown.keys.epoch,
        account=shown.leaf.account,
        shortfall=shown.leaf.shortfall,
        keys=shown.keys.hash.hex(),
        bytes=len(data),
    )


def calldata_of_epoch(epoch: OnchainEpoch, package: EpochPackage) -> Calldata:
    """The call that certifies an epoch's keys. Raises RemoteFault UNDER_QUORUM, KEYS_DIFFER."""
    from bridge.solvency import certify_call

    check_file(epoch, package)
    certificate = certificate_of(epoch, package.validators)
    data = certify_call(epoch.keys.words, certificate.signers, certificate.aggregate)
    return Calldata("certify", "0x" + data.hex())


def calldata_of_account(path: Path) -> Calldata:
    """The call that shows an account; the contract is the one to check it. Raises RemoteFault."""
    from bridge.solvency import show_call

    return Calldata("show", "0x" + show_call(_shown(path)).hex())


def state_of_home(home: Path, height: int, *, sign: bool) -> tuple[State, HomeSecrets]:
    """The state of a home at a height, by its own disk and program, and its keys. Raises LocalFault."""
    import os

    from clearing.base import ed25519
    from clearing.genesis import check_genesis, genesis_from_json, network_id
    from node.codes import NodeCode
    from node.config_sources import load_config
    from node.durability.state_at import state_at
    from node.keys.ring import open_node_keys
    from node.replay import state_salt
    from node.store.store import Store

    config = load_config(home / "node.toml", os.environ).config
    terms = genesis_from_json(config.path(config.node.genesis).read_bytes())
    check_genesis(terms)
    keys = open_node_keys(
        config.home, config.path(config.node.password_file), allow_weak=config.node.devnet, signs=sign
    )
    database = config.path("node.sqlite")
    if not database.exists():
        raise LocalFault(NodeCode.STORE_GAP, str(database), height=0)
    with Store(database, network_id(terms)) as store:
        found = state_at(terms, state_salt(keys.network_seed), store, height)
    if found.differences:
        raise LocalFault(BaseCode.MALFORMED, str(home), why="the own state differs from the certified headers")
    return found.state, HomeSecrets(keys.network_seed, ed25519.public_key(keys.envelope), keys.validator)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to, and who pays."""

    url: str
    verifier: bytes
    key_file: Path


async def send_epoch(epoch: OnchainEpoch, package: EpochPackage, target: Target) -> str:
    """Certify an epoch's keys at a contract; the transaction's hash, or nothing when it has them.

    Raises RemoteFault UNDER_QUORUM, KEYS_DIFFER, KEYS_ASTRAY, TRANSACTION_REVERTED.
    """
    data = bytes.fromhex(calldata_of_epoch(epoch, package).data[2:])
    async with _sender(target) as sender:
        mined = await sender.certify(epoch.keys.epoch, epoch.keys.hash, data)
    return "" if mined is None else mined.hash.hex()


async def send_account(path: Path, target: Target) -> str:
    """Show an account to a contract; the transaction's hash. Raises RemoteFault TRANSACTION_REVERTED."""
    shown = _shown(path)
    async with _sender(target) as sender:
        return (await sender.show(shown)).hash.hex()


@asynccontextmanager
async def _sender(target: Target) -> "AsyncIterator[SolvencySender]":
    from bridge.evm.hexadecimal import read_quantity
    from bridge.rpc import Endpoint
    from bridge.solvency_sender import SolvencySender
    from bridge.transactions import Sender

    secret = read_hex32(target.key_file)
    async with Endpoint(target.url) as endpoint:
        chain_id = read_quantity(await endpoint.call("eth_chainId"), "eth_chainId", 63)
        yield SolvencySender(endpoint, Sender(endpoint, chain_id, secret), target.verifier)


def _shown(path: Path) -> "Shown":
    from bridge.solvency import Shown

    shown = read_account_file(read_limited(path, ACCOUNT_BYTES_MAX))
    return Shown(shown.keys.words, shown.leaf.leaf.words, shown.index, shown.path, shown.proof)
