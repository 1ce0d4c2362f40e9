"""The open secrets of a node, and its signer: the keys in this process, or the process that `[signer]` names.

Rule: never both. With an address the validator's own key is not opened here. A remote signer without `signer.key` is
refused at the start; one that does not answer yet is waited for, and the node signs nothing meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog

from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from member.codes import NodeCode
from member.keys.key_folder import KIND_OF, KeyKind, Purpose, public_of, read_key
from member.keys.rotation import read_next_key
from member.keys.secret_files import read_password
from node.config import NodeConfig
from node.signer.local import LocalSigner
from node.signer.remote import RemoteSigner
from node.signer.sign_state import SignGuard

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class NodeKeys:
    """A validator's open secrets. It has no repr that would print them."""

    validator: int
    """The BLS secret scalar; 0 where another process has it."""
    envelope: bytes
    checkpoint: bytes
    """secp256k1: signs headers for vaults on chains without EIP-2537."""
    relayer: bytes
    network_seed: bytes
    next_validator: int = 0
    """Of a rotation that is under way, as below; 0 and empty: none."""
    next_checkpoint: bytes = b""


def open_node_keys(home: Path, password_file: Path, *, allow_weak: bool = False, signs: bool = True) -> NodeKeys:
    """All keys of a validator, without the voting one unless it `signs` itself.

    Raises LocalFault KEY_MISSING, KEY_PASSWORD, KEY_WEAK, KEY_PERMISSIONS, KEY_FORMAT.
    """
    password = read_password(password_file)

    def read(purpose: Purpose) -> bytes:
        return read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=allow_weak)

    def read_next(purpose: Purpose) -> bytes:
        try:
            return read_next_key(home, purpose, password, allow_weak=allow_weak) or b""
        except (LocalFault, OSError) as fault:
            # It must not stop the key in use; the rotation tries it again.
            log.error("next key cannot be opened", purpose=purpose.value, fault=str(fault))
            return b""

    return NodeKeys(
        validator=int.from_bytes(read(Purpose.VALIDATOR), "big") if signs else 0,
        envelope=read(Purpose.ENVELOPE),
        checkpoint=read(Purpose.CHECKPOINT),
        relayer=read(Purpose.RELAYER),
        network_seed=read(Purpose.NETWORK_SEED),
        next_validator=int.from_bytes(read_next(Purpose.VALIDATOR), "big") if signs else 0,
        next_checkpoint=read_next(Purpose.CHECKPOINT),
    )


NodeSigner: TypeAlias = LocalSigner | RemoteSigner


@contextmanager
def node_signer(
    config: NodeConfig, network: bytes, validators: ValidatorSet, keys: NodeKeys, guard: SignGuard
) -> Iterator[NodeSigner]:
    """The signer, dialing already if it is remote. Raises LocalFault CONFIG_MISSING, KEY_*."""
    given = config.signer
    if not given.address:
        local = LocalSigner(network, keys.envelope, keys.validator, guard)
        if keys.next_validator:
            local.add_vote_key(keys.next_validator)
        yield local
        return
    if not given.key:
        raise LocalFault(NodeCode.CONFIG_MISSING, "signer.key", address=given.address)
    password = read_password(config.path(config.node.password_file))
    link = read_key(config.home, given.link, KeyKind.ED25519, password, allow_weak=config.node.devnet)
    index = validators.index_of.get(public_of(KeyKind.ED25519, keys.envelope))
    remote = RemoteSigner(
        given.address,
        bytes.fromhex(given.key),
        link,
        network,
        keys.envelope,
        b"" if index is None else validators.validators[index].bls_key,
        guard,
        given.timeout_ms / 1000,
    )
    remote.start()
    try:
        yield remote
    finally:
        remote.close()
