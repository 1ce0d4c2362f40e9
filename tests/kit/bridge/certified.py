"""Headers certified for a vault, and withdrawals released by them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from bridge.contracts.vault import VaultClaim, claim_argument
from clearing.base.hashing import keccak256
from clearing.base.withdrawal_leaves import DEPTH, empty_subtree_root, withdrawal_leaf_hash
from tests.kit.bridge.vault_chain import UNIT, VaultChain, make_header

PAYEE = bytes([0x42]) * 20


NEVER = 2**63 - 1


class Tree:
    """The specification of the withdrawals tree, written the slow way: level by level over all leaves."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.levels = [list(leaves)]
        for level in range(DEPTH):
            row = self.levels[-1]
            row = [*row, empty_subtree_root(level)] if len(row) % 2 else row
            self.levels.append([keccak256(row[i] + row[i + 1]) for i in range(0, len(row), 2)])

    @property
    def root(self) -> bytes:
        return self.levels[-1][0] if self.levels[-1] else empty_subtree_root(DEPTH)

    def proof(self, index: int) -> tuple[bytes, ...]:
        siblings = []
        for level in range(DEPTH):
            row, at = self.levels[level], (index >> level) ^ 1
            siblings.append(row[at] if at < len(row) else empty_subtree_root(level))
        return tuple(siblings)

    def proof_of_many(self, indices: Sequence[int]) -> tuple[bytes, ...]:
        """The siblings of each level that no given leaf leads to, from left to right."""
        siblings = []
        for level in range(DEPTH):
            row, covered = self.levels[level], {index >> level for index in indices}
            missing = sorted({at ^ 1 for at in covered} - covered)
            siblings += [row[at] if at < len(row) else empty_subtree_root(level) for at in missing]
        return tuple(siblings)


class LeafProofs:
    """Proofs over a list of leaves, for a relayer."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._leaves = list(leaves)
        self._tree = cache(lambda count: Tree(self._leaves[:count]))

    def root(self, count: int) -> bytes:
        return self._tree(count).root

    def siblings(self, nonces: Sequence[int], count: int) -> Sequence[bytes]:
        return self._tree(count).proof_of_many(nonces)


def released(vault: VaultChain, nonce: int, /, **changes: Any) -> tuple[tuple[Any, ...], bytes]:
    """A withdrawal's argument and its leaf."""
    stated = {
        "account": 1,
        "token": vault.token_at.address,
        "to": PAYEE,
        "amount": UNIT,
        "not_after_s": NEVER,
    } | changes
    place = {"chain_id": vault.chain.chain_id, "vault": vault.vault_at.address}
    place |= {name: stated.pop(name) for name in tuple(stated) if name in place}
    return claim_argument(VaultClaim(nonce, **stated)), withdrawal_leaf_hash(nonce=nonce, **place, **stated)


def certify(vault: VaultChain, leaves: list[bytes], height: int = 1, count: int | None = None) -> Tree:
    tree = Tree(leaves)
    total = len(leaves) if count is None else count
    vault.certified(make_header(vault.signers, height, withdrawals_root=tree.root, withdrawals_count=total))
    return tree
