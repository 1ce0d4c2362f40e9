// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Bls12381} from "./Bls12381.sol";
import {ICertificateVerifier} from "./ICertificateVerifier.sol";
import {ValidatorSetCode} from "./ValidatorSetCode.sol";

/// Checks the consensus certificate itself: one aggregate BLS signature, public keys in G1, suite with proofs of
/// possession. The network checks those proofs before a set is certified, so sums of keys are sound here.
///
/// Nearly all validators sign, so the signers' key is the sum of all keys less those of the few who did not. A set is kept as
/// its total power, the sum of its keys negated, and the entries of its validators: whoever adds the keys of the absent to
/// that sum has the signers' key, negated.
contract BlsCertificateVerifier is ICertificateVerifier {
    bytes private constant DOMAIN = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    uint256 private constant HEAD_BYTES = 32 + Bls12381.G1_BYTES;
    uint256 private constant ENTRY_BYTES = ValidatorSetCode.ENTRY_BYTES;

    error StraySigner(uint256 signers, uint256 validators);
    error NoSigner();
    error BadSignature();

    /// @inheritdoc ICertificateVerifier
    function store(bytes calldata words) external returns (address set) {
        (uint256 count, uint256 total) = ValidatorSetCode.check(words);
        // Opens with infinity, the neutral point.
        bytes memory sum = new bytes(Bls12381.G1_BYTES);
        for (uint256 i = 0; i < count; i++) {
            sum = Bls12381.add(ValidatorSetCode.keyOf(words, i), sum);
        }
        bytes calldata entries = words[ValidatorSetCode.HEAD_BYTES:];
        return ValidatorSetCode.write(bytes.concat(bytes32(total), Bls12381.negated(sum), entries));
    }

    /// @inheritdoc ICertificateVerifier
    function signedPower(bytes32 digest, address set, uint256 signers, bytes calldata aggregate)
        external
        view
        returns (uint256 signed, uint256 total)
    {
        uint256 size = ValidatorSetCode.size(set);
        if (size < HEAD_BYTES + ENTRY_BYTES) revert ValidatorSetCode.MalformedValidatorSet(size);
        uint256 count = (size - HEAD_BYTES) / ENTRY_BYTES;
        if (signers == 0) revert NoSigner();
        if (signers >> count != 0) revert StraySigner(signers, count);
        // An entry, which ends with a key, and behind it the sum. The head is read over both.
        bytes memory points = new bytes(ENTRY_BYTES + Bls12381.G1_BYTES);
        ValidatorSetCode.read(set, 0, HEAD_BYTES, points, ENTRY_BYTES - 32);
        total = ValidatorSetCode.word(points, ENTRY_BYTES - 32);
        signed = total;
        uint256 absent = signers ^ ((1 << count) - 1);
        for (uint256 offset = HEAD_BYTES; absent != 0; (offset, absent) = (offset + ENTRY_BYTES, absent >> 1)) {
            if (absent & 1 == 0) continue;
            ValidatorSetCode.read(set, offset, ENTRY_BYTES, points, 0);
            signed -= uint96(ValidatorSetCode.word(points, 0));
            Bls12381.addToLast(points);
        }
        bytes memory negativeKey = Bls12381.last(points);
        if (!Bls12381.verify(negativeKey, abi.encodePacked(digest), DOMAIN, aggregate)) revert BadSignature();
    }
}
