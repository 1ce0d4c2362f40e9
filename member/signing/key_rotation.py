"""The change of the validator set by which a validator gets new keys.

Rule: who is known by its envelope key enters with another voting key and another address, and with the power it has.
"""

from pathlib import Path

import msgspec

from clearing.base import bls
from clearing.base.errors import LocalFault
from clearing.base.plain_json import read_json
from clearing.base.validators import prove_evm_possession
from clearing.schema.terms.genesis import Genesis, network_id
from member.api.chain import ValidatorsView
from member.api.types import Body
from member.codes import NodeCode
from member.keys.key_folder import KIND_OF, KeyKind, Purpose, public_of, read_key
from member.keys.keystore import Strength
from member.keys.rotation import make_next_key
from member.signing.validator_changes import (
    CHANGE_FILE_BYTES_MAX,
    Card,
    CheckedChange,
    approve_change,
    newcomer,
    propose,
)


class VoteKeyCard(Body, frozen=True):
    """A next voting key that a signer's home keeps: its public part, and the proof that its secret is known."""

    validator: str
    possession: str


def vote_key_card(secret: int) -> dict[str, str]:
    """The card of a voting key, in hex."""
    return {"validator": bls.public_key(secret).hex(), "possession": bls.prove_possession(secret).hex()}


def read_vote_key_card(path: Path) -> VoteKeyCard:
    """The card in a file. Raises LocalFault CHANGE_FILE."""
    try:
        with path.open("rb") as file:
            return read_json(file.read(CHANGE_FILE_BYTES_MAX), VoteKeyCard)
    except (OSError, msgspec.DecodeError) as error:
        raise LocalFault(NodeCode.CHANGE_FILE, str(path), why=str(error)) from None


def rotation_change(
    shown: ValidatorsView,
    genesis: Genesis,
    home: Path,
    password: str,
    elsewhere: VoteKeyCard | None,
    until_ms: int,
    strength: Strength,
) -> CheckedChange:
    """Make the next keys of a home, unless they wait there, and the change to them, with the own approval.

    `shown`: the set that a node serves. `elsewhere`: the next voting key, where a signer's home has it. Raises
    LocalFault: NOT_IN_THE_SET, CHANGE_FILE, KEY_*; nothing is made for a node that is in no set.
    """
    weak = strength is Strength.DEVNET
    envelope = read_key(home, Purpose.ENVELOPE.value, KIND_OF[Purpose.ENVELOPE], password, allow_weak=weak)
    own = public_of(KeyKind.ED25519, envelope)
    present = next((each for each in shown.validators if each.envelope_key.removeprefix("0x") == own.hex()), None)
    if present is None:
        raise LocalFault(NodeCode.NOT_IN_THE_SET, "envelope", key=own)
    checkpoint = make_next_key(home, Purpose.CHECKPOINT, password, strength)
    if elsewhere is None:
        vote_key = vote_key_card(int.from_bytes(make_next_key(home, Purpose.VALIDATOR, password, strength), "big"))
        elsewhere = VoteKeyCard(**vote_key)
    card = Card(
        envelope=own.hex(),
        validator=elsewhere.validator,
        possession=elsewhere.possession,
        checkpoint=public_of(KeyKind.SECP256K1, checkpoint).hex(),
        checkpoint_possession=prove_evm_possession(own, checkpoint).hex(),
    )
    change = propose(shown, (), (newcomer(card, present.power),), {}, until_ms)
    return approve_change(change, network_id(genesis), own, envelope)
