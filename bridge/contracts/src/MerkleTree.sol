// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The network's binary Merkle tree: tagged SHA-256, the number of leaves inside the root. Byte for byte as the network's.
library MerkleTree {
    bytes32 private constant LEAF_TAG = sha256("crossclear/merkle/leaf/v1");
    bytes32 private constant NODE_TAG = sha256("crossclear/merkle/node/v1");
    bytes32 private constant ROOT_TAG = sha256("crossclear/merkle/root/v1");

    error BadPath(uint256 index, uint256 count, uint256 siblings);

    function leaf(bytes calldata data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(LEAF_TAG, data));
    }

    /// The root that siblings, from the leaf up, lead to from leaf `index` of `count`; their number must be the tree's depth.
    function rootFrom(bytes32 node, uint256 index, uint256 count, bytes32[] calldata path)
        internal
        pure
        returns (bytes32)
    {
        if (index >= count || path.length > 40) revert BadPath(index, count, path.length);
        uint256 last = count - 1;
        for (uint256 level = 0; level < path.length; level++) {
            // A path longer than the last index has bits is one node too long.
            if (last >> level == 0) revert BadPath(index, count, path.length);
            node = (index >> level) & 1 == 1
                ? sha256(abi.encodePacked(NODE_TAG, path[level], node))
                : sha256(abi.encodePacked(NODE_TAG, node, path[level]));
        }
        if (last >> path.length != 0) revert BadPath(index, count, path.length);
        return sha256(abi.encodePacked(ROOT_TAG, count, node));
    }
}
