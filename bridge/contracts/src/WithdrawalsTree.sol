// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// One withdrawal that the network released: leaf `nonce` of its append-only tree.
struct Withdrawal {
    uint64 nonce;
    /// The ledger account that it was taken from.
    uint64 account;
    address token;
    address to;
    uint256 amount;
    /// Seconds since 1970; the block that pays must not be later.
    uint64 notAfter;
}

/// Keccak tree of fixed depth 32. A leaf is hashed twice, so that no inner node can pass for one.
library WithdrawalsTree {
    uint256 internal constant DEPTH = 32;
    bytes32 internal constant GUARDIAN_ORDER_TAG = keccak256("crossclear/vault-order/guardian/v1");
    /// Roots of empty subtrees by level: 32 zero bytes, then keccak of the one before twice.
    bytes private constant EMPTY =
        hex"0000000000000000000000000000000000000000000000000000000000000000"
        hex"ad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5"
        hex"b4c11951957c6f8f642c4af61cd6b24640fec6dc7fc607ee8206a99e92410d30"
        hex"21ddb9a356815c3fac1026b6dec5df3124afbadb485c9ba5a3e3398a04b7ba85"
        hex"e58769b32a1beaf1ea27375a44095a0d1fb664ce2dd358e7fcbfb78c26a19344"
        hex"0eb01ebfc9ed27500cd4dfc979272d1f0913cc9f66540d7e8005811109e1cf2d"
        hex"887c22bd8750d34016ac3c66b5ff102dacdd73f6b014e710b51e8022af9a1968"
        hex"ffd70157e48063fc33c97a050f7f640233bf646cc98d9524c6b92bcf3ab56f83"
        hex"9867cc5f7f196b93bae1e27e6320742445d290f2263827498b54fec539f756af"
        hex"cefad4e508c098b9a7e1d8feb19955fb02ba9675585078710969d3440f5054e0"
        hex"f9dc3e7fe016e050eff260334f18a5d4fe391d82092319f5964f2e2eb7c1c3a5"
        hex"f8b13a49e282f609c317a833fb8d976d11517c571d1221a265d25af778ecf892"
        hex"3490c6ceeb450aecdc82e28293031d10c7d73bf85e57bf041a97360aa2c5d99c"
        hex"c1df82d9c4b87413eae2ef048f94b4d3554cea73d92b0f7af96e0271c691e2bb"
        hex"5c67add7c6caf302256adedf7ab114da0acfe870d449a3a489f781d659e8becc"
        hex"da7bce9f4e8618b6bd2f4132ce798cdc7a60e7e1460a7299e3c6342a579626d2"
        hex"2733e50f526ec2fa19a22b31e8ed50f23cd1fdf94c9154ed3a7609a2f1ff981f"
        hex"e1d3b5c807b281e4683cc6d6315cf95b9ade8641defcb32372f1c126e398ef7a"
        hex"5a2dce0a8a7f68bb74560f8f71837c2c2ebbcbf7fffb42ae1896f13f7c7479a0"
        hex"b46a28b6f55540f89444f63de0378e3d121be09e06cc9ded1c20e65876d36aa0"
        hex"c65e9645644786b620e2dd2ad648ddfcbf4a7e5b1a3a4ecfe7f64667a3f0b7e2"
        hex"f4418588ed35a2458cffeb39b93d26f18d2ab13bdce6aee58e7b99359ec2dfd9"
        hex"5a9c16dc00d6ef18b7933a6f8dc65ccb55667138776f7dea101070dc8796e377"
        hex"4df84f40ae0c8229d0d6069e5c8f39a7c299677a09d367fc7b05e3bc380ee652"
        hex"cdc72595f74c7b1043d0e1ffbab734648c838dfb0527d971b602bc216c9619ef"
        hex"0abf5ac974a1ed57f4050aa510dd9c74f508277b39d7973bb2dfccc5eeb0618d"
        hex"b8cd74046ff337f0a7bf2c8e03e10f642c1886798d71806ab1e888d9e5ee87d0"
        hex"838c5655cb21c6cb83313b5a631175dff4963772cce9108188b34ac87c81c41e"
        hex"662ee4dd2dd7b2bc707961b1e646c4047669dcb6584f0d8d770daf5d7e7deb2e"
        hex"388ab20e2573d171a88108e79d820e98f26c0b84aa8b2f4aa4968dbb818ea322"
        hex"93237c50ba75ee485f4c22adf2f741400bdf8d6a9cc7df7ecae576221665d735"
        hex"8448818bb4ae4562849e949e17ac16e0be16688e156b5cf15e098c627c0056a9";

    /// Keccak, twice, of the words of chain, vault and the fields as they stand in calldata.
    function leaf(uint256 chainId, address vault, Withdrawal calldata withdrawal) internal pure returns (bytes32 found) {
        uint256 vaultWord = uint160(vault);
        // For 300 gas less than by abi.encode, above the memory in use.
        assembly ("memory-safe") {
            let free := mload(64)
            mstore(free, chainId)
            mstore(add(free, 32), vaultWord)
            calldatacopy(add(free, 64), withdrawal, 192)
            found := keccak256(free, 256)
        }
        return _again(found);
    }

    /// An order of the network that names a vault's guardian, as a leaf of the same tree. Its tag stands where a withdrawal
    /// has its chain, and it is shorter: neither can pass for the other.
    function guardianOrderLeaf(uint256 chainId, address vault, uint64 nonce, address guardian)
        internal
        pure
        returns (bytes32)
    {
        return _again(keccak256(abi.encode(GUARDIAN_ORDER_TAG, chainId, vault, nonce, guardian)));
    }

    error NotAscending(uint64 nonce);
    error BadSiblings(uint256 given);

    /// The root that siblings, from the leaf up, lead to from leaf number `index`. One that is zero is the root of an empty
    /// subtree, and so are all that are left out at the end: the leaf is one of the first that the given ones reach.
    function rootFrom(bytes32 node, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32) {
        if (siblings.length > DEPTH || index >> siblings.length != 0) revert BadSiblings(siblings.length);
        bytes memory empty = EMPTY;
        assembly ("memory-safe") {
            let size := mul(siblings.length, 32)
            let end := add(siblings.offset, size)
            // From a sibling to the root of an empty subtree on its level.
            let away := sub(add(empty, 32), siblings.offset)
            // The last bit of the index, times 32, is where the node is beside its sibling.
            index := mul(index, 32)
            for { let given := siblings.offset } lt(given, end) { given := add(given, 32) } {
                let sibling := calldataload(given)
                if iszero(sibling) { sibling := mload(add(given, away)) }
                let place := and(index, 32)
                mstore(place, node)
                mstore(sub(32, place), sibling)
                node := keccak256(0, 64)
                index := shr(1, index)
            }
            // From here on each node takes the place before the empty root that is its sibling.
            let place := add(empty, size)
            mstore(place, node)
            end := add(empty, mul(DEPTH, 32))
            for {} lt(place, end) {} {
                node := keccak256(place, 64)
                place := add(place, 32)
                mstore(place, node)
            }
        }
        return node;
    }

    /// The root that several withdrawals and their siblings lead to. The siblings are those that the withdrawals do not
    /// give each other, from the leaves up and in each level from left to right. Those that are zero, or left out at the end,
    /// are the roots of empty subtrees; none may be left over.
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
        return _rootOver(nodes, indices, siblings);
    }

    /// The root over these leaves, in whose place the nodes above them are written.
    function _rootOver(bytes32[] memory nodes, uint256[] memory indices, bytes32[] calldata siblings)
        private
        pure
        returns (bytes32)
    {
        uint256 width = nodes.length;
        bytes memory empty = EMPTY;
        uint256 used;
        for (uint256 level = 0; level < DEPTH; level++) {
            uint256 parents;
            for (uint256 i = 0; i < width; parents++) {
                uint256 index = indices[i];
                bytes32 node = nodes[i++];
                if (index & 1 == 0 && i < width && indices[i] == index + 1) {
                    node = _parent(node, index, nodes[i++]);
                } else {
                    node = _parent(node, index, _sibling(siblings, used++, empty, level));
                }
                (indices[parents], nodes[parents]) = (index >> 1, node);
            }
            width = parents;
        }
        if (used < siblings.length) revert BadSiblings(siblings.length);
        return nodes[0];
    }

    function _again(bytes32 hash) private pure returns (bytes32 found) {
        assembly ("memory-safe") {
            mstore(0, hash)
            found := keccak256(0, 32)
        }
    }

    /// Sibling number `i`, which is on this level.
    function _sibling(bytes32[] calldata siblings, uint256 i, bytes memory empty, uint256 level)
        private
        pure
        returns (bytes32 found)
    {
        assembly ("memory-safe") {
            if lt(i, siblings.length) { found := calldataload(add(siblings.offset, shl(5, i))) }
            if iszero(found) { found := mload(add(add(empty, 32), shl(5, level))) }
        }
    }

    /// The node above. The last bit of a node's index says whether it is the right one of the two below.
    function _parent(bytes32 node, uint256 index, bytes32 sibling) private pure returns (bytes32 found) {
        assembly ("memory-safe") {
            let place := shl(5, and(index, 1))
            mstore(place, node)
            mstore(sub(32, place), sibling)
            found := keccak256(0, 64)
        }
    }
}
