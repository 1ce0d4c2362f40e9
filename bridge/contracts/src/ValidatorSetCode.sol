// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// A validator set kept as contract code, which is cheaper to read than storage and to send than calldata.
///
/// Words, exactly as the network hashes them: tag, count, then for each validator power, envelope key, x (2 words) and
/// y (2 words) of its BLS key. The blob opens with a STOP byte, so that it can never run.
library ValidatorSetCode {
    bytes32 internal constant TAG = sha256("crossclear/validator-set/v1");
    uint256 internal constant HEAD_BYTES = 64;
    uint256 internal constant ENTRY_BYTES = 192;
    /// What fits the limit on the size of code.
    uint256 internal constant VALIDATORS_MAX = 127;
    /// Keeps three times a power within any arithmetic, here and in the network's 63-bit integers.
    uint256 internal constant TOTAL_POWER_MAX = 2 ** 60;

    error MalformedValidatorSet(uint256 length);
    error BadPower(uint256 index, uint256 power);
    error StoreFailed();

    /// Check the shape and write the blob.
    function store(bytes memory words) internal returns (address blob) {
        check(words);
        // PUSH2 size DUP1 PUSH1 10 RETURNDATASIZE CODECOPY RETURNDATASIZE RETURN: returns all that follows these 10 bytes.
        bytes memory creation = abi.encodePacked(hex"61", uint16(words.length + 1), hex"80600a3d393df300", words);
        assembly ("memory-safe") {
            blob := create(0, add(creation, 32), mload(creation))
        }
        if (blob == address(0)) revert StoreFailed();
    }

    /// The words of a blob.
    function load(address blob) internal view returns (bytes memory words) {
        uint256 size = blob.code.length;
        if (size < 1 + HEAD_BYTES + ENTRY_BYTES) revert MalformedValidatorSet(size);
        size -= 1;
        words = new bytes(size);
        assembly ("memory-safe") {
            extcodecopy(blob, add(words, 32), 1, size)
        }
    }

    function check(bytes memory words) internal pure {
        if (words.length < HEAD_BYTES + ENTRY_BYTES) revert MalformedValidatorSet(words.length);
        uint256 count = word(words, 32);
        if (word(words, 0) != uint256(TAG) || count > VALIDATORS_MAX || words.length != HEAD_BYTES + count * ENTRY_BYTES) {
            revert MalformedValidatorSet(words.length);
        }
        uint256 total;
        for (uint256 i = 0; i < count; i++) {
            uint256 power = word(words, HEAD_BYTES + i * ENTRY_BYTES);
            if (power == 0 || power >= TOTAL_POWER_MAX) revert BadPower(i, power);
            total += power;
        }
        if (total >= TOTAL_POWER_MAX) revert BadPower(count, total);
    }

    /// The word at a byte offset, which the caller keeps within bounds.
    function word(bytes memory words, uint256 offset) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(words, 32), offset))
        }
    }
}
