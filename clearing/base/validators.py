"""`ValidatorSet`: the validators with their power and keys.

Rule: ordered strictly by envelope key, powers positive, keys unique, every BLS key and EVM address with a proof of
possession, which is checked when the set is decoded. Its hash is over fixed-size ABI words, so that the vault contract
can recompute it.
"""

from functools import cached_property

from clearing.base import bls, secp256k1
from clearing.base.codec import U63, Bytes20, Bytes32, Bytes48, Bytes65, Bytes96, Wire, u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import sha256, tag_prefix, tagged_hash
from clearing.base.ids import Hash32

SET_TAG = "crossclear/validator-set/v1"
EVM_POSSESSION_TAG = "crossclear/evm-possession/v1"
POWER_BITS = 96
"""Of the word with power and EVM address. A total power is below 2^60."""
NO_EVM_ADDRESS = bytes(20)
"""What nobody signs for: a failed recovery gives it."""
VALIDATORS_MAX = 127
"""Largest set that a vault can store as contract code (EIP-170). A vault could not receive the keys of a larger set,
and would accept no checkpoint ever after."""


class Validator(Wire, frozen=True):
    """One validator: Ed25519 key of its envelopes and of its peer id, BLS key of its votes, integer power, and the
    address of its secp256k1 key, which signs headers for vaults on chains without the BLS precompiles."""

    envelope_key: Bytes32
    bls_key: Bytes48
    power: U63
    possession: Bytes96
    """By the BLS key."""
    evm_address: Bytes20
    evm_possession: Bytes65
    """By the secp256k1 key, on `evm_possession_digest`."""


class ValidatorSet(Wire, frozen=True, dict=True):
    """Validators in order. The index in this order is the bit in a certificate."""

    validators: tuple[Validator, ...]

    @cached_property
    def total_power(self) -> int:
        """Sum of all powers."""
        return sum(validator.power for validator in self.validators)

    @cached_property
    def hash(self) -> Hash32:
        """SHA-256 of `words`. Raises RemoteFault BAD_POINT."""
        return sha256(self.words)

    @property
    def words(self) -> bytes:
        """What a vault stores: tag, count, then per validator address · 2^96 + power, envelope key, x (2 words) and y
        (2 words) of the BLS key. Raises RemoteFault BAD_POINT."""
        words = [tag_prefix(SET_TAG), u256(len(self.validators))]
        for validator in self.validators:
            signatory = int.from_bytes(validator.evm_address, "big") << POWER_BITS | validator.power
            words += [u256(signatory), validator.envelope_key, *bls.key_coordinates(validator.bls_key)]
        return b"".join(words)

    @cached_property
    def index_of(self) -> dict[bytes, int]:
        """Envelope key to index."""
        return {validator.envelope_key: index for index, validator in enumerate(self.validators)}

    def is_quorum(self, power: int) -> bool:
        """Whether `power` is strictly more than two thirds of the total."""
        return 3 * power > 2 * self.total_power

    def is_skip(self, power: int) -> bool:
        """Whether `power` is strictly more than one third of the total, so that it includes an honest validator."""
        return 3 * power > self.total_power


def validator_of(envelope_key: bytes, bls_secret: int, evm_secret: bytes, power: int) -> Validator:
    """The record of the owner of these keys."""
    return Validator(
        envelope_key=envelope_key,
        bls_key=bls.public_key(bls_secret),
        power=power,
        possession=bls.prove_possession(bls_secret),
        evm_address=secp256k1.address(evm_secret),
        evm_possession=prove_evm_possession(envelope_key, evm_secret),
    )


def prove_evm_possession(envelope_key: bytes, evm_secret: bytes) -> bytes:
    """A validator's proof that it has the secret of its EVM address: 65 bytes."""
    return secp256k1.sign_digest(evm_secret, evm_possession_digest(envelope_key))


def evm_possession_digest(envelope_key: bytes) -> Hash32:
    """What a validator's secp256k1 key signs to show that it is this validator's."""
    return tagged_hash(EVM_POSSESSION_TAG, envelope_key)


def check_validator_set(validators: ValidatorSet) -> None:
    """Check a set from outside: shape, order and proofs of possession (1.6 ms each). Raises RemoteFault."""
    check_shape(validators)
    for validator in validators.validators:
        check_possession(validator)


def check_shape(validators: ValidatorSet) -> None:
    """Check count, order, unique keys and addresses, and powers of a set; no point is decoded. Raises RemoteFault
    BAD_VALIDATOR_SET."""
    _check_voting_shape(validators)
    addresses = {validator.evm_address for validator in validators.validators}
    if len(addresses) != len(validators.validators) or NO_EVM_ADDRESS in addresses:
        raise RemoteFault(BaseCode.BAD_VALIDATOR_SET, "EVM addresses", validators=len(validators.validators))


def _check_voting_shape(validators: ValidatorSet) -> None:
    keys = [validator.envelope_key for validator in validators.validators]
    bls_keys = {validator.bls_key for validator in validators.validators}
    ordered = all(keys[i] < keys[i + 1] for i in range(len(keys) - 1))
    powered = all(validator.power > 0 for validator in validators.validators)
    if not 0 < len(keys) <= VALIDATORS_MAX or not ordered or len(bls_keys) != len(keys) or not powered:
        raise RemoteFault(BaseCode.BAD_VALIDATOR_SET, "validator set", validators=len(keys))
    if validators.total_power >= 2**60:
        raise RemoteFault(BaseCode.BAD_VALIDATOR_SET, "total power", power=validators.total_power)


def check_possession(validator: Validator) -> None:
    """Check that the owner knows the secrets of the BLS key and of the EVM address.

    Raises RemoteFault BAD_POINT, BAD_SIGNATURE, BAD_POSSESSION_PROOF.
    """
    _check_voting_possession(validator)
    signer = secp256k1.recover(evm_possession_digest(validator.envelope_key), validator.evm_possession)
    if signer != validator.evm_address:
        raise RemoteFault(BaseCode.BAD_POSSESSION_PROOF, "EVM address", address=validator.evm_address, signed_by=signer)


def _check_voting_possession(validator: Validator) -> None:
    if not bls.verify_possession(validator.bls_key, validator.possession):
        raise RemoteFault(BaseCode.BAD_POSSESSION_PROOF, "validator", key=validator.bls_key)
