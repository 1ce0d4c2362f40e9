// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// One withdrawal that the network released: leaf `nonce` of its append-only tree.
struct Withdrawal {
    uint64 nonce;
    address token;
    address to;
    uint256 amount;
    /// Seconds since 1970; the block that pays must not be later.
    uint64 notAfter;
}

/// Keccak tree of fixed depth 32. A leaf is hashed twice, so that no inner node can pass for one.
library WithdrawalsTree {
    uint256 internal constant DEPTH = 32;

    function leaf(uint256 chainId, address vault, Withdrawal calldata withdrawal) internal pure returns (bytes32) {
        bytes32 inner = keccak256(
            abi.encode(
                chainId,
                vault,
                withdrawal.nonce,
                withdrawal.token,
                withdrawal.to,
                withdrawal.amount,
                withdrawal.notAfter
            )
        );
        return keccak256(abi.encodePacked(inner));
    }

    error NotAscending(uint64 nonce);
    error BadSiblings(uint256 given);

    /// The root that siblings, from the leaf up, lead to from leaf number `index`.
    function rootFrom(bytes32 node, uint256 index, bytes32[32] calldata proof) internal pure returns (bytes32) {
        for (uint256 level = 0; level < DEPTH; level++) {
            node = (index >> level) & 1 == 1 ? _node(proof[level], node) : _node(node, proof[level]);
        }
        return node;
    }

    /// The root that several withdrawals and their siblings lead to. The siblings are those that the withdrawals do not
    /// give each other, from the leaves up and in each level from left to right; none may be missing or left over.
    function rootFromMany(
        uint256 chainId,
        address vault,
        Withdrawal[] calldata withdrawals,
        bytes32[] calldata siblings
    ) internal pure returns (bytes32) {
        uint256 width = withdrawals.length;
        if (width == 0) revert BadSiblings(siblings.length);
        bytes32[] memory nodes = new bytes32[](width);
        uint256[] memory indices = new uint256[](width);
        for (uint256 i = 0; i < width; i++) {
            uint64 nonce = withdrawals[i].nonce;
            // Ascending and inside the tree: no leaf twice, none beside another's place.
            if (nonce >> DEPTH != 0 || (i != 0 && nonce <= indices[i - 1])) revert NotAscending(nonce);
            (indices[i], nodes[i]) = (nonce, leaf(chainId, vault, withdrawals[i]));
        }
        uint256 used;
        for (uint256 level = 0; level < DEPTH; level++) {
            uint256 parents;
            for (uint256 i = 0; i < width; parents++) {
                uint256 index = indices[i];
                bytes32 node = nodes[i++];
                if (index & 1 == 0 && i < width && indices[i] == index + 1) {
                    node = _node(node, nodes[i++]);
                } else {
                    if (used == siblings.length) revert BadSiblings(used);
                    bytes32 sibling = siblings[used++];
                    node = index & 1 == 1 ? _node(sibling, node) : _node(node, sibling);
                }
                (indices[parents], nodes[parents]) = (index >> 1, node);
            }
            width = parents;
        }
        if (used != siblings.length) revert BadSiblings(siblings.length);
        return nodes[0];
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32 found) {
        assembly ("memory-safe") {
            mstore(0, left)
            mstore(32, right)
            found := keccak256(0, 64)
        }
    }
}
