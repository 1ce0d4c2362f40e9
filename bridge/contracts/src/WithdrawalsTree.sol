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

    /// The root that siblings, from the leaf up, lead to from leaf number `index`.
    function rootFrom(bytes32 node, uint256 index, bytes32[32] calldata proof) internal pure returns (bytes32) {
        for (uint256 level = 0; level < DEPTH; level++) {
            bytes32 sibling = proof[level];
            bool right = (index >> level) & 1 == 1;
            assembly ("memory-safe") {
                mstore(0, node)
                mstore(32, sibling)
                if right {
                    mstore(0, sibling)
                    mstore(32, node)
                }
                node := keccak256(0, 64)
            }
        }
        return node;
    }
}
