// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// BLS12-381 over the precompiles of EIP-2537: hash to G2 (RFC 9380), sums in G1, the pairing equation of a signature.
///
/// Points are as EIP-2537 has them: 64 bytes a coordinate, G1 128 bytes, G2 256 bytes (x.c0, x.c1, y.c0, y.c1), infinity
/// all zeros. The size of every answer is checked, because a chain without a precompile answers with nothing.
library Bls12381 {
    address private constant MODEXP = address(0x05);
    address private constant G1_ADD = address(0x0b);
    address private constant G2_ADD = address(0x0d);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_FP2_TO_G2 = address(0x11);

    uint256 internal constant G1_BYTES = 128;
    uint256 internal constant G2_BYTES = 256;
    /// The field's modulus, in two parts.
    uint256 private constant MODULUS_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant MODULUS_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    /// Of G1.
    bytes private constant GENERATOR =
        hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        hex"0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";

    error PrecompileFailed(address precompile);
    error BadPointSize(uint256 size);
    error PointAtInfinity();
    error DomainTooLong(uint256 size);

    /// Whether `signature` is on `message`, under the tag `domain`, by the key that `negativeKey` is the negation of:
    /// e(-key, H(message)) · e(G1, signature) = 1. The pairing precompile refuses what is not on the curve and in the
    /// subgroup; infinity is refused here.
    function verify(bytes memory negativeKey, bytes memory message, bytes memory domain, bytes memory signature)
        internal
        view
        returns (bool)
    {
        if (negativeKey.length != G1_BYTES) revert BadPointSize(negativeKey.length);
        if (signature.length != G2_BYTES) revert BadPointSize(signature.length);
        if (_isZero(negativeKey) || _isZero(signature)) revert PointAtInfinity();
        bytes memory pairs = bytes.concat(negativeKey, hashToG2(message, domain), GENERATOR, signature);
        return abi.decode(_call(PAIRING, pairs, 32), (uint256)) == 1;
    }

    /// The sum of two points of G1; equal, opposite and infinite ones, too.
    function add(bytes memory a, bytes memory b) internal view returns (bytes memory) {
        if (a.length != G1_BYTES || b.length != G1_BYTES) revert BadPointSize(a.length);
        bytes memory points = bytes.concat(a, b);
        addToLast(points);
        return last(points);
    }

    /// Add the point before the last to the last, in place.
    function addToLast(bytes memory points) internal view {
        if (points.length < 2 * G1_BYTES) revert BadPointSize(points.length);
        address precompile = G1_ADD;
        bool ok;
        assembly ("memory-safe") {
            let end := add(add(points, 32), mload(points))
            ok := staticcall(gas(), precompile, sub(end, 256), 256, sub(end, 128), 128)
            ok := and(ok, eq(returndatasize(), 128))
        }
        if (!ok) revert PrecompileFailed(precompile);
    }

    /// The last of several points. Its length takes the place of what was before it.
    function last(bytes memory points) internal pure returns (bytes memory point) {
        assembly ("memory-safe") {
            point := sub(add(points, mload(points)), 128)
            mstore(point, 128)
        }
    }

    /// The point of G1 that a point cancels out with: the same x, and the modulus less y. What is no point gives none.
    function negated(bytes memory point) internal pure returns (bytes memory result) {
        result = bytes.concat(point);
        if (_isZero(point)) return result;
        assembly ("memory-safe") {
            let high := mload(add(result, 96))
            let low := mload(add(result, 128))
            mstore(add(result, 96), sub(sub(MODULUS_HIGH, high), gt(low, MODULUS_LOW)))
            mstore(add(result, 128), sub(MODULUS_LOW, low))
        }
    }

    /// hash_to_curve of BLS12381G2_XMD:SHA-256_SSWU_RO_. The map precompile clears the cofactor of each of both points.
    function hashToG2(bytes memory message, bytes memory domain) internal view returns (bytes memory) {
        bytes memory uniform = _expandMessage(message, domain);
        bytes memory left = _call(MAP_FP2_TO_G2, bytes.concat(_element(uniform, 0), _element(uniform, 64)), G2_BYTES);
        bytes memory right =
            _call(MAP_FP2_TO_G2, bytes.concat(_element(uniform, 128), _element(uniform, 192)), G2_BYTES);
        return _call(G2_ADD, bytes.concat(left, right), G2_BYTES);
    }

    /// expand_message_xmd of RFC 9380, section 5.3.1, with SHA-256 and 256 bytes of output.
    function _expandMessage(bytes memory message, bytes memory domain) private pure returns (bytes memory uniform) {
        if (domain.length > 255) revert DomainTooLong(domain.length);
        bytes memory suffix = abi.encodePacked(domain, uint8(domain.length));
        bytes32 seed = sha256(abi.encodePacked(bytes32(0), bytes32(0), message, uint16(256), uint8(0), suffix));
        uniform = new bytes(256);
        bytes32 block_;
        for (uint256 i = 1; i <= 8; i++) {
            block_ = sha256(abi.encodePacked(seed ^ block_, uint8(i), suffix));
            assembly ("memory-safe") {
                mstore(add(uniform, mul(i, 32)), block_)
            }
        }
    }

    function _isZero(bytes memory point) private pure returns (bool) {
        uint256 bits;
        for (uint256 end = 32; end <= point.length; end += 32) {
            assembly ("memory-safe") {
                bits := or(bits, mload(add(point, end)))
            }
        }
        return bits == 0;
    }

    /// 64 bytes at `offset` reduced to a field element, itself padded to 64 bytes.
    function _element(bytes memory uniform, uint256 offset) private view returns (bytes memory) {
        bytes32 high;
        bytes32 low;
        assembly ("memory-safe") {
            high := mload(add(add(uniform, 32), offset))
            low := mload(add(add(uniform, 64), offset))
        }
        bytes memory input =
            abi.encodePacked(uint256(64), uint256(1), uint256(48), high, low, uint8(1), uint128(MODULUS_HIGH), MODULUS_LOW);
        return abi.encodePacked(bytes16(0), _call(MODEXP, input, 48));
    }

    function _call(address precompile, bytes memory input, uint256 size) private view returns (bytes memory output) {
        bool ok;
        (ok, output) = precompile.staticcall(input);
        if (!ok || output.length != size) revert PrecompileFailed(precompile);
    }
}
