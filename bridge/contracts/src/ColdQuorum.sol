// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {VaultState} from "./VaultState.sol";

/// Keys that are kept offline. Enough of them together correct the guardian and settle conflicts; they reach no money, no
/// withdrawal, and no validator set that the network did not certify. They are set at deployment.
abstract contract ColdQuorum is VaultState {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("crossclear vault");
    bytes32 private constant VERSION = keccak256("1");

    /// The number that the quorum's next decision is signed for.
    function coldNonce() external view returns (uint32) {
        return _coldNonce;
    }

    /// Whether an address is one of the cold keys, and how many of them must sign.
    function coldKey(address key) external view returns (bool listed, uint256 threshold) {
        return (_isColdKey[key], coldThreshold);
    }

    /// Check EIP-712 signatures over a decision of type `decision`, whose fields are `subject` and the next nonce, and use
    /// up that nonce. The signers' addresses ascend, so that none counts twice; OpenZeppelin refuses a high s.
    function _requireColdQuorum(bytes32 decision, bytes32 subject, bytes[] calldata signatures) internal {
        if (signatures.length < coldThreshold) revert UnderColdQuorum(signatures.length, coldThreshold);
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE, NAME, VERSION, block.chainid, address(this)));
        bytes32 digest =
            MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(decision, subject, uint256(_coldNonce++))));
        address last;
        for (uint256 i = 0; i < signatures.length; i++) {
            address signer = ECDSA.recoverCalldata(digest, signatures[i]);
            if (signer <= last || !_isColdKey[signer]) revert NotAColdKey(signer);
            last = signer;
        }
    }
}
