// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ICertificateVerifier} from "./ICertificateVerifier.sol";
import {ValidatorSetCode} from "./ValidatorSetCode.sol";

/// Checks a quorum's secp256k1 signatures on what consensus certified, for chains without the precompiles of EIP-2537.
///
/// The signatures follow one another in the order of their signers, 64 bytes each (EIP-2098: r, then s with the parity of y
/// in its top bit). So no validator can count twice, and a signature has one encoding: OpenZeppelin refuses a high s. A set
/// is kept as its total power and the entries of its validators.
contract EcdsaCertificateVerifier is ICertificateVerifier {
    uint256 private constant SIGNATURE_BYTES = 64;
    uint256 private constant HEAD_BYTES = 32;
    uint256 private constant ENTRY_BYTES = ValidatorSetCode.ENTRY_BYTES;

    error StraySigner(uint256 signers, uint256 validators);
    error NoSigner();
    error NoAddress(uint256 index);
    error BadSignaturesSize(uint256 size);
    error WrongSignatory(uint256 index, address recovered);

    /// @inheritdoc ICertificateVerifier
    function store(bytes calldata words) external returns (address set) {
        (uint256 count, uint256 total) = ValidatorSetCode.check(words);
        for (uint256 i = 0; i < count; i++) {
            // What a failed recovery gives: anybody would sign for it.
            if (_addressOf(uint256(ValidatorSetCode.signatoryOf(words, i))) == address(0)) revert NoAddress(i);
        }
        return ValidatorSetCode.write(bytes.concat(bytes32(total), words[ValidatorSetCode.HEAD_BYTES:]));
    }

    /// @inheritdoc ICertificateVerifier
    function signedPower(bytes32 digest, address set, uint256 signers, bytes calldata signatures)
        external
        view
        returns (uint256 signed, uint256 total)
    {
        uint256 size = ValidatorSetCode.size(set);
        if (size < HEAD_BYTES + ENTRY_BYTES) revert ValidatorSetCode.MalformedValidatorSet(size);
        uint256 count = (size - HEAD_BYTES) / ENTRY_BYTES;
        if (signers == 0) revert NoSigner();
        if (signers >> count != 0) revert StraySigner(signers, count);
        bytes memory kept = new bytes(size);
        ValidatorSetCode.read(set, 0, size, kept, 0);
        total = ValidatorSetCode.word(kept, 0);
        uint256 end;
        for (uint256 i = 0; signers != 0; (i, signers) = (i + 1, signers >> 1)) {
            if (signers & 1 == 0) continue;
            uint256 start = end;
            end += SIGNATURE_BYTES;
            if (end > signatures.length) revert BadSignaturesSize(signatures.length);
            uint256 signatory = ValidatorSetCode.word(kept, HEAD_BYTES + i * ENTRY_BYTES);
            _requireSigned(digest, i, _addressOf(signatory), signatures[start:end]);
            signed += uint96(signatory);
        }
        if (end != signatures.length) revert BadSignaturesSize(signatures.length);
    }

    function _requireSigned(bytes32 digest, uint256 index, address signatory, bytes calldata signature) private pure {
        (address recovered,,) = ECDSA.tryRecover(digest, bytes32(signature), bytes32(signature[32:]));
        if (recovered == address(0) || recovered != signatory) revert WrongSignatory(index, recovered);
    }

    function _addressOf(uint256 signatory) private pure returns (address) {
        return address(uint160(signatory >> 96));
    }
}
