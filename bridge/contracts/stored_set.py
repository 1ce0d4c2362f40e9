"""A validator set as a verifier keeps it, in the code of a contract.

Rule: what decides a vault's checkpoints is this code and not the hash that the vault states, so all of it is computed
anew out of the keys: the hash of the set, the total power, and the sum of the keys where the BLS verifier keeps it.
"""

from clearing.base import bls
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import sha256, tag_prefix
from clearing.base.validators import SET_TAG, VALIDATORS_MAX

NO_SET = bytes(32)
"""In the place of a hash: the code keeps no set, or contradicts itself."""
_WORD, _POINT, _ADDRESS = 32, 128, 20
_HEAD = 1 + _WORD
"""A byte that stops it from running, and the total power. The BLS verifier has the negated sum of all keys behind."""
_ENTRY = 2 * _WORD + _POINT
"""Address and power, envelope key and BLS key, as the network hashes them."""


def stored_set_hash(code: bytes) -> bytes:
    """The hash of the set that this code keeps, or `NO_SET`."""
    stated, entries = code[:_HEAD], code[_HEAD:]
    sum_bytes = _POINT if len(entries) % _ENTRY == _POINT else 0
    stated_sum, entries = entries[:sum_bytes], entries[sum_bytes:]
    count = len(entries) // _ENTRY
    if not 0 < count <= VALIDATORS_MAX or len(entries) != count * _ENTRY:
        return NO_SET
    records = [entries[start : start + _ENTRY] for start in range(0, len(entries), _ENTRY)]
    power = sum(int.from_bytes(record[_ADDRESS:_WORD], "big") for record in records)
    try:
        key = bls.negative_sum([record[2 * _WORD :] for record in records])
    except RemoteFault:
        return NO_SET
    is_sound = int.from_bytes(stated, "big") == power and stated_sum in (b"", key)
    return sha256(tag_prefix(SET_TAG) + u256(count) + entries) if is_sound else NO_SET
