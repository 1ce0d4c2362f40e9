// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The network's binary Merkle tree: tagged SHA-256, the number of leaves inside the root. Byte for byte as the network's.
library MerkleTree {
    /// SHA-256 of "crossclear/merkle/leaf/v1".
    bytes32 private constant LEAF_TAG = 0x47ff31746205cdd9bbc71e0be6adb814bc649edba0bb3043b007dc701cbe1e6a;
    /// SHA-256 of "crossclear/merkle/node/v1".
    bytes32 private constant NODE_TAG = 0xc9021c91f9c0e47a54a329bc8dd9fa8a6edd0bc73eaffe64dca446404f24154c;
    /// SHA-256 of "crossclear/merkle/root/v1".
    bytes32 private constant ROOT_TAG = 0x23fe6e17c4f312379018f1a6b3205e686fe360faba883bc54dfa087b6c9bc62c;

    error HashFailed();
    error BadPath(uint256 index, uint256 count, uint256 siblings);

    function leaf(bytes calldata data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(LEAF_TAG, data));
    }

    function leafOf(bytes memory data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(LEAF_TAG, data));
    }

    /// The root that siblings, from the leaf up, lead to from leaf `index` of `count`; their number must be the tree's depth.
    function rootFrom(bytes32 node, uint256 index, uint256 count, bytes32[] calldata path)
        internal
        view
        returns (bytes32)
    {
        if (index >= count || path.length > 40) revert BadPath(index, count, path.length);
        uint256 last = count - 1;
        for (uint256 level = 0; level < path.length; level++) {
            // A path longer than the last index has bits is one node too long.
            if (last >> level == 0) revert BadPath(index, count, path.length);
            node = (index >> level) & 1 == 1 ? _hash(NODE_TAG, path[level], node) : _hash(NODE_TAG, node, path[level]);
        }
        if (last >> path.length != 0) revert BadPath(index, count, path.length);
        return _hash(ROOT_TAG, bytes32(count), node);
    }

    /// SHA-256 of three words, above the memory in use.
    function _hash(bytes32 a, bytes32 b, bytes32 c) private view returns (bytes32 found) {
        bool ok;
        assembly ("memory-safe") {
            let free := mload(64)
            mstore(free, a)
            mstore(add(free, 32), b)
            mstore(add(free, 64), c)
            ok := staticcall(gas(), 2, free, 96, 0, 32)
            ok := and(ok, eq(returndatasize(), 32))
            found := mload(0)
        }
        if (!ok) revert HashFailed();
    }
}
