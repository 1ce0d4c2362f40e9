"""`ValidatorSet`: the validators with their power and keys.

Rule: ordered strictly by envelope key, powers positive, keys unique, every BLS key with a proof of possession, which is
checked when the set is decoded. Its hash is over fixed-size ABI words, so that the vault contract can recompute it.
"""

from functools import cached_property

from clearing.base import bls
from clearing.base.codec import U63, Bytes32, Bytes48, Bytes96, Wire, u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import sha256, tag_prefix
from clearing.base.ids import Hash32

SET_TAG = "crossclear/validator-set/v1"
VALIDATORS_MAX = 127
"""Largest set that a vault can store as contract code (EIP-170). A vault could not receive the keys of a larger set,
and would accept no checkpoint ever after."""


class Validator(Wire, frozen=True):
    """One validator: Ed25519 key of its envelopes and of its peer id, BLS key of its votes, integer power."""

    envelope_key: Bytes32
    bls_key: Bytes48
    power: U63
    possession: Bytes96


class ValidatorSet(Wire, frozen=True, dict=True):
    """Validators in order. The index in this order is the bit in a certificate."""

    validators: tuple[Validator, ...]

    @cached_property
    def total_power(self) -> int:
        """Sum of all powers."""
        return sum(validator.power for validator in self.validators)

    @cached_property
    def hash(self) -> Hash32:
        """SHA-256 of words: tag, count, then per validator power, envelope key, x (2 words), y (2 words)."""
        words = [tag_prefix(SET_TAG), u256(len(self.validators))]
        for validator in self.validators:
            x, y = bls.key_coordinates(validator.bls_key)
            words += [u256(validator.power), validator.envelope_key, x, y]
        return sha256(b"".join(words))

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


def check_validator_set(validators: ValidatorSet) -> None:
    """Check a set from outside: shape, order and proofs of possession (1.5 ms each). Raises RemoteFault."""
    check_shape(validators)
    for validator in validators.validators:
        check_possession(validator)


def check_shape(validators: ValidatorSet) -> None:
    """Check count, order, unique keys and powers of a set; no point is decoded. Raises RemoteFault
    BAD_VALIDATOR_SET."""
    keys = [validator.envelope_key for validator in validators.validators]
    bls_keys = {validator.bls_key for validator in validators.validators}
    ordered = all(keys[i] < keys[i + 1] for i in range(len(keys) - 1))
    powered = all(validator.power > 0 for validator in validators.validators)
    if not 0 < len(keys) <= VALIDATORS_MAX or not ordered or len(bls_keys) != len(keys) or not powered:
        raise RemoteFault(BaseCode.BAD_VALIDATOR_SET, "validator set", validators=len(keys))
    if validators.total_power >= 2**60:
        raise RemoteFault(BaseCode.BAD_VALIDATOR_SET, "total power", power=validators.total_power)


def check_possession(validator: Validator) -> None:
    """Check that the owner of the BLS key knows its secret. Raises RemoteFault BAD_POINT, BAD_POSSESSION_PROOF."""
    if not bls.verify_possession(validator.bls_key, validator.possession):
        raise RemoteFault(BaseCode.BAD_POSSESSION_PROOF, "validator", key=validator.bls_key)
