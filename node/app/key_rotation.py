"""Which of a node's keys may be rotated: those that its process has."""

from member.keys.key_folder import KeyKind, Purpose, public_of
from node.agreement.validator_membership import Membership
from node.chains.header_signatures import HeaderSignatures
from node.config import NodeConfig
from node.signer.local import LocalSigner
from node.signer.node_keys import NodeKeys, NodeSigner
from node.signer.rotation import KeyRotation, RotatedKey


def key_rotation(
    config: NodeConfig, keys: NodeKeys, signer: NodeSigner, own: Membership, signatures: HeaderSignatures
) -> KeyRotation:
    """The checkpoint key, and the vote key where no remote signer has it; a remote one is asked for the listed key."""
    rotated = [
        RotatedKey(Purpose.CHECKPOINT, signatures.add_secret, lambda: {each.evm_address for each in own.own_records})
    ]
    known = [public_of(KeyKind.SECP256K1, keys.next_checkpoint)] if keys.next_checkpoint else []
    if isinstance(signer, LocalSigner):
        add = signer.add_vote_key
        rotated.append(
            RotatedKey(
                Purpose.VALIDATOR,
                lambda secret: add(int.from_bytes(secret, "big")),
                lambda: {each.bls_key for each in own.own_records},
            )
        )
        known += signer.vote_keys
    else:
        signer.expected_key = lambda: own.listed_key(own.now.hash) or b""
    return KeyRotation(
        config.home,
        config.path(config.node.password_file),
        rotated,
        allow_weak=config.node.devnet,
        known=known,
    )
