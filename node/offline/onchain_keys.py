"""A validator's keys of an epoch for contracts, derived from its own state.

Rule: a validator signs only keys that it has derived from its own state, under the first header of its own network that
carries their commitments. Later headers carry them, too, until another epoch follows: any of them makes a good package,
and the time of one would let an old snapshot look young to a contract.
"""

from dataclasses import dataclass
from pathlib import Path

from clearing.base.errors import BaseCode, LocalFault
from clearing.base.header import Header
from clearing.state.state import State
from member.codes import NodeCode
from proofs.epoch.package import EpochPackage
from proofs.errors import ProofCode
from proofs.onchain.file import KeysShare, OnchainEpoch, epoch_file, sign_keys
from proofs.onchain.keys import derive_epoch


@dataclass(frozen=True, slots=True, repr=False)
class HomeSecrets:
    """What a validator's home adds to its state; `bls_secret` is 0 where it is not to sign."""

    network_seed: bytes
    envelope_key: bytes
    bls_secret: int


def derive_from_state(package: EpochPackage, state: State, secrets: HomeSecrets) -> OnchainEpoch:
    """The keys and leaves of the epoch whose snapshot is of this state, with the own share where the home may sign.

    Raises LocalFault KEYS_DIFFER when the state is not the one whose commitments the package's header carries.
    """
    # Imported here: `verify` needs neither the rulebook nor the market.
    from clearing.epochs.snapshot import take_snapshot
    from node.epochs.seeds import AccountSeeds

    snapshot = take_snapshot(state)
    derived = derive_epoch(snapshot, AccountSeeds(secrets.network_seed).of(snapshot), package.domain)
    if derived.statement.linear.context != package.header.commitments_root:
        raise LocalFault(
            ProofCode.KEYS_DIFFER,
            "own state",
            certified=package.header.commitments_root,
            found=derived.statement.linear.context,
        )
    validators, shares, time_s = package.validators, list[KeysShare](), package.header.time_ms // 1000
    own = validators.index_of.get(secrets.envelope_key)
    if secrets.bls_secret and own is not None:
        shares.append(sign_keys(derived.keys, validators, own, secrets.bls_secret, time_s))
    return epoch_file(derived.keys, derived.leaves, time_s, shares)


def check_first_header(header: Header, below: Header | None) -> None:
    """Whether a header is the first that carries its commitments; `below` is the own one of the height below.

    Raises LocalFault LATER_HEADER, KEYS_DIFFER for a header that does not follow the own one.
    """
    if below is None:
        return
    if header.parent != below.hash:
        raise LocalFault(ProofCode.KEYS_DIFFER, "header", stated=header.parent, own=below.hash)
    if below.commitments_height == header.commitments_height:
        raise LocalFault(NodeCode.LATER_HEADER, "header", height=header.height, snapshot=header.commitments_height)


def onchain_state_of_home(home: Path, certified: Header, *, sign: bool) -> tuple[State, HomeSecrets]:
    """The state of a home at the snapshot that a header carries, by its own disk and program, and its keys.

    Raises LocalFault, LATER_HEADER where an earlier header carries it.
    """
    from clearing.base import ed25519
    from node.agreement.application import state_salt
    from node.offline.homes import open_home
    from node.offline.state_at import block_of, state_at
    from node.signer.node_keys import open_node_keys
    from node.store.blocks import StoredBlocks

    opened = open_home(home)
    config = opened.config
    keys = open_node_keys(
        config.home, config.path(config.node.password_file), allow_weak=config.node.devnet, signs=sign
    )
    with opened.store() as store:
        below = block_of(StoredBlocks(store), certified.height - 1).block.header if certified.height > 1 else None
        check_first_header(certified, below)
        found = state_at(opened.genesis, state_salt(keys.network_seed), store, certified.commitments_height)
    if found.differences:
        raise LocalFault(BaseCode.MALFORMED, str(home), why="the own state differs from the certified headers")
    return found.state, HomeSecrets(keys.network_seed, ed25519.public_key(keys.envelope), keys.validator)
