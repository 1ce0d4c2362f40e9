// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Bls12381} from "./Bls12381.sol";
import {ICertificateVerifier} from "./ICertificateVerifier.sol";
import {ValidatorSetCode} from "./ValidatorSetCode.sol";

/// Checks the consensus certificate itself: one aggregate BLS signature, public keys in G1, suite with proofs of
/// possession. The network checks those proofs before a set is certified, so sums of keys are sound here.
contract BlsCertificateVerifier is ICertificateVerifier {
    bytes private constant DOMAIN = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

    error StraySigner(uint256 signers, uint256 validators);
    error NoSigner();
    error BadSignature();

    /// @inheritdoc ICertificateVerifier
    function signedPower(bytes32 digest, address set, uint256 signers, bytes calldata aggregate)
        external
        view
        returns (uint256 signed, uint256 total)
    {
        bytes memory words = ValidatorSetCode.load(set);
        uint256 count = ValidatorSetCode.word(words, 32);
        if (signers == 0) revert NoSigner();
        if (signers >> count != 0) revert StraySigner(signers, count);
        // Opens with infinity, the neutral point, in front of room for the key that is added.
        bytes memory sum = new bytes(2 * Bls12381.G1_BYTES);
        for (uint256 i = 0; i < count; i++) {
            uint256 entry = ValidatorSetCode.HEAD_BYTES + i * ValidatorSetCode.ENTRY_BYTES;
            uint256 power = ValidatorSetCode.word(words, entry);
            total += power;
            if ((signers >> i) & 1 == 0) continue;
            signed += power;
            assembly ("memory-safe") {
                mcopy(add(sum, 160), add(add(words, 96), entry), 128)
            }
            Bls12381.addInPlace(sum);
        }
        if (!Bls12381.verify(Bls12381.first(sum), abi.encodePacked(digest), DOMAIN, aggregate)) revert BadSignature();
    }
}
