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
    bytes private constant FIELD_MODULUS =
        hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    /// The generator of G1, negated.
    bytes private constant NEGATIVE_G1 =
        hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        hex"00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca";

    error PrecompileFailed(address precompile);
    error BadPointSize(uint256 size);
    error PointAtInfinity();
    error DomainTooLong(uint256 size);

    /// Whether `signature` is by `key` on `message` under the tag `domain`: e(key, H(message)) = e(G1, signature). The
    /// pairing precompile refuses what is not on the curve and in the subgroup; infinity is refused here.
    function verify(bytes memory key, bytes memory message, bytes memory domain, bytes memory signature)
        internal
        view
        returns (bool)
    {
        if (key.length != G1_BYTES) revert BadPointSize(key.length);
        if (signature.length != G2_BYTES) revert BadPointSize(signature.length);
        if (_isZero(key) || _isZero(signature)) revert PointAtInfinity();
        bytes memory pairs = bytes.concat(key, hashToG2(message, domain), NEGATIVE_G1, signature);
        return abi.decode(_call(PAIRING, pairs, 32), (uint256)) == 1;
    }

    /// Add the second of two points of G1 to the first, in place; equal, opposite and infinite ones too.
    function addInPlace(bytes memory pair) internal view {
        if (pair.length != 2 * G1_BYTES) revert BadPointSize(pair.length);
        address precompile = G1_ADD;
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), precompile, add(pair, 32), 256, add(pair, 32), 128)
            ok := and(ok, eq(returndatasize(), 128))
        }
        if (!ok) revert PrecompileFailed(precompile);
    }

    /// The first of two points, whose memory is given up.
    function first(bytes memory pair) internal pure returns (bytes memory) {
        assembly ("memory-safe") {
            mstore(pair, 128)
        }
        return pair;
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
            abi.encodePacked(uint256(64), uint256(1), uint256(48), high, low, uint8(1), FIELD_MODULUS);
        return abi.encodePacked(bytes16(0), _call(MODEXP, input, 48));
    }

    function _call(address precompile, bytes memory input, uint256 size) private view returns (bytes memory output) {
        bool ok;
        (ok, output) = precompile.staticcall(input);
        if (!ok || output.length != size) revert PrecompileFailed(precompile);
    }
}
