"""`Membership`: the validator sets of the decided state, and this node's place in them.

Rule: reads the decided state only, so that every service of a node changes sets at the same height. A node may be in no
set: it then follows and signs nothing.
"""

from clearing.base.validators import Validator, ValidatorSet
from clearing.schema.terms.genesis import Genesis
from clearing.state.state import State
from clearing.validators.validator_sets import ValidatorSets, validator_sets
from consensus.blocks.store import BlockStore, load_committed, load_set
from node.agreement.application import DecidedHeight


class Membership:
    """`decided` is a listener of the application, before all that ask here."""

    def __init__(self, own_key: bytes, state: State) -> None:
        """`own_key`: this node's envelope key."""
        self.own_key = own_key
        self._sets = validator_sets(state)
        self._keys = _keys_of(self._sets)

    def decided(self, decided: DecidedHeight) -> None:
        """Follow the state."""
        sets = validator_sets(decided.state)
        if sets != self._sets:
            self._sets, self._keys = sets, _keys_of(sets)

    @property
    def sets(self) -> ValidatorSets:
        """Around the decided height."""
        return self._sets

    @property
    def now(self) -> ValidatorSet:
        """Of the height that is being decided."""
        return self._sets.now

    @property
    def keys(self) -> frozenset[bytes]:
        """Envelope keys of all that agree, are about to, or did so just now."""
        return self._keys

    @property
    def others(self) -> frozenset[bytes]:
        """Envelope keys of the other validators of the height that is being decided."""
        return frozenset(self.now.index_of) - {self.own_key}

    def listed_key(self, validators_hash: bytes) -> bytes | None:
        """The BLS key that the set of this hash, of those around the decided height, lists for us."""
        for validators in (self._sets.now, self._sets.next, self._sets.last):
            if validators.hash == validators_hash:
                index = validators.index_of.get(self.own_key)
                return None if index is None else validators.validators[index].bls_key
        return None

    @property
    def own_records(self) -> tuple[Validator, ...]:
        """What the sets around the decided height say of us: one each that lists us."""
        sets = (self._sets.attesting, self._sets.last, self._sets.now, self._sets.next)
        return tuple(each.validators[each.index_of[self.own_key]] for each in sets if self.own_key in each.index_of)

    @property
    def is_validator(self) -> bool:
        """Whether we are in the set of the height that is being decided."""
        return self.own_key in self.now.index_of


def newest_set(genesis: Genesis, blocks: BlockStore) -> ValidatorSet:
    """The set that the newest stored header names for the height after it; genesis' before any block."""
    committed = load_committed(blocks, blocks.height())
    found = load_set(blocks, committed.block.header.next_validators_hash) if committed else None
    return found or genesis.validators


def _keys_of(sets: ValidatorSets) -> frozenset[bytes]:
    return frozenset(
        key for validators in (sets.attesting, sets.last, sets.now, sets.next) for key in validators.index_of
    )
