// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// A validator set in words, exactly as the network hashes them, and the contract code that a verifier keeps it as: code is
/// cheaper to read than storage, and to send than calldata.
///
/// Words: tag, count, then for each validator the address of its secp256k1 key * 2^96 + power, envelope key, x (2 words) and
/// y (2 words) of its BLS key.
library ValidatorSetCode {
    /// SHA-256 of "crossclear/validator-set/v1".
    bytes32 internal constant TAG = 0xfec55d60e559918700735648c381003d2d6b10a2361888b1cef4f1cce4938341;
    uint256 internal constant HEAD_BYTES = 64;
    uint256 internal constant ENTRY_BYTES = 192;
    /// What fits the limit on the size of code.
    uint256 internal constant VALIDATORS_MAX = 127;
    /// Keeps three times a power within any arithmetic, here and in the network's 63-bit integers.
    uint256 internal constant TOTAL_POWER_MAX = 2 ** 60;

    error MalformedValidatorSet(uint256 length);
    error BadPower(uint256 index, uint256 power);
    error StoreFailed();

    /// Check the shape of a set, and count its validators and their power.
    function check(bytes calldata words) internal pure returns (uint256 count, uint256 total) {
        if (words.length < HEAD_BYTES + ENTRY_BYTES) revert MalformedValidatorSet(words.length);
        count = uint256(bytes32(words[32:64]));
        if (bytes32(words[:32]) != TAG || count > VALIDATORS_MAX || words.length != HEAD_BYTES + count * ENTRY_BYTES) {
            revert MalformedValidatorSet(words.length);
        }
        for (uint256 i = 0; i < count; i++) {
            uint256 power = powerOf(words, i);
            if (power == 0 || power >= TOTAL_POWER_MAX) revert BadPower(i, power);
            total += power;
        }
        if (total >= TOTAL_POWER_MAX) revert BadPower(count, total);
    }

    /// The power of validator `i` of a set that was checked.
    function powerOf(bytes calldata words, uint256 i) internal pure returns (uint256) {
        return uint96(uint256(signatoryOf(words, i)));
    }

    /// Its address * 2^96 + power.
    function signatoryOf(bytes calldata words, uint256 i) internal pure returns (bytes32) {
        return bytes32(_entry(words, i)[:32]);
    }

    /// Its BLS key, as EIP-2537 has points of G1.
    function keyOf(bytes calldata words, uint256 i) internal pure returns (bytes calldata) {
        return _entry(words, i)[64:];
    }

    /// Make `content` the code of a new contract. It opens with a STOP byte, so that it can never run.
    function write(bytes memory content) internal returns (address blob) {
        // PUSH2 size DUP1 PUSH1 10 RETURNDATASIZE CODECOPY RETURNDATASIZE RETURN: returns all that follows these 10 bytes.
        bytes memory creation = abi.encodePacked(hex"61", uint16(content.length + 1), hex"80600a3d393df300", content);
        assembly ("memory-safe") {
            blob := create(0, add(creation, 32), mload(creation))
        }
        if (blob == address(0)) revert StoreFailed();
    }

    /// The size of what was written.
    function size(address blob) internal view returns (uint256) {
        return blob.code.length == 0 ? 0 : blob.code.length - 1;
    }

    /// Copy `length` bytes of it to a place in memory. The caller keeps all within bounds.
    function read(address blob, uint256 offset, uint256 length, bytes memory target, uint256 start) internal view {
        assembly ("memory-safe") {
            extcodecopy(blob, add(add(target, 32), start), add(offset, 1), length)
        }
    }

    /// The word of that memory at a byte offset.
    function word(bytes memory source, uint256 offset) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(source, 32), offset))
        }
    }

    function _entry(bytes calldata words, uint256 i) private pure returns (bytes calldata) {
        uint256 start = HEAD_BYTES + i * ENTRY_BYTES;
        return words[start:start + ENTRY_BYTES];
    }
}
