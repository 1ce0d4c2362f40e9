// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The network's header as 16 words, and the digest that its validators sign: both byte for byte as in consensus.
library Finality {
    /// SHA-256 of "crossclear/header/v1".
    bytes32 internal constant HEADER_TAG = 0x7bea8d65d026bce2eff29a890a1808c5cf9bd5b26f995fe4c552972bfe9f3a74;
    /// SHA-256 of "crossclear/vote/v1".
    bytes32 internal constant VOTE_TAG = 0xd86a8947aa5bbbd0a6655eb4806ae9189792b99cb01d6ebe33572901278c2b96;
    uint256 internal constant HEADER_BYTES = 512;
    /// Only precommits are final. The kind is inside the digest, so a prevote certificate fails as a signature.
    uint256 internal constant PRECOMMIT = 2;

    /// What a vault reads of a header.
    struct Header {
        bytes32 network;
        bytes32 parent;
        uint64 height;
        uint64 timeMs;
        bytes32 stateRoot;
        bytes32 withdrawalsRoot;
        uint64 withdrawalsCount;
        bytes32 exitRoot;
        bytes32 validatorsHash;
        bytes32 nextValidatorsHash;
    }

    error MalformedHeader(uint256 length);
    error OutOfRange(uint256 word, uint256 value);

    /// Read the words. Times must lie in the network's range of 63 bits, height and count in the vault's of 40: those of a
    /// network that makes ten blocks a second for 3,000 years.
    function read(bytes calldata words) internal pure returns (Header memory header) {
        if (words.length != HEADER_BYTES || bytes32(words[0:32]) != HEADER_TAG) revert MalformedHeader(words.length);
        header.network = _word(words, 1);
        header.parent = _word(words, 2);
        header.height = _number(words, 3, 40);
        header.timeMs = _number(words, 4, 63);
        header.stateRoot = _word(words, 6);
        header.withdrawalsRoot = _word(words, 9);
        header.withdrawalsCount = _number(words, 10, 40);
        header.exitRoot = _word(words, 11);
        header.validatorsHash = _word(words, 13);
        header.nextValidatorsHash = _word(words, 14);
    }

    /// The 32 bytes that each signer signed for the header whose hash is `value`.
    function precommitDigest(bytes32 network, bytes32 validatorsHash, uint64 height, uint32 round, bytes32 value)
        internal
        pure
        returns (bytes32)
    {
        return sha256(
            abi.encode(VOTE_TAG, network, validatorsHash, PRECOMMIT, uint256(height), uint256(round), value)
        );
    }

    /// A word of a header whose length was checked.
    function _word(bytes calldata words, uint256 index) private pure returns (bytes32 found) {
        assembly ("memory-safe") {
            found := calldataload(add(words.offset, mul(index, 32)))
        }
    }

    function _number(bytes calldata words, uint256 index, uint256 bits) private pure returns (uint64) {
        uint256 value = uint256(_word(words, index));
        if (value >> bits != 0) revert OutOfRange(index, value);
        return uint64(value);
    }
}
