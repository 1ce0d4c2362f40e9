"""Which signer a node has: the keys in this process, or the process that `[signer]` names.

Rule: never both. With an address set the validator's own key is not opened here, and a signer that cannot be told apart
from a stranger (no `signer.key`) is refused at the start; one that is only not there yet is waited for in silence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from member.codes import NodeCode
from member.keys.key_folder import KeyKind, public_of, read_key
from member.keys.secret_files import read_password
from node.config import NodeConfig
from node.signer.local import LocalSigner
from node.signer.node_keys import NodeKeys
from node.signer.remote import RemoteSigner
from node.signer.sign_state import SignGuard

NodeSigner: TypeAlias = LocalSigner | RemoteSigner


@contextmanager
def node_signer(
    config: NodeConfig, network: bytes, validators: ValidatorSet, keys: NodeKeys, guard: SignGuard
) -> Iterator[NodeSigner]:
    """The signer, dialing already if it is remote. Raises LocalFault CONFIG_MISSING, KEY_*."""
    given = config.signer
    if not given.address:
        yield LocalSigner(network, keys.envelope, keys.validator, guard)
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
