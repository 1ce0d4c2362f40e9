// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The interface of a signature scheme for a vault. A vault's verifier is fixed at its deployment and never named by a caller.
interface ICertificateVerifier {
    /// Keep what `signedPower` needs of a validator set, as contract code; where it is. `words` are as the network hashes
    /// them (`ValidatorSetCode`). Reverts when the set is malformed, and on a chain that cannot check its signatures. Anybody
    /// may call this: a vault believes only what it asked for itself.
    function store(bytes calldata words) external returns (address set);

    /// Power behind a signature over `digest`, and the set's total. Reverts when the signature, the bitmap or the set is bad.
    /// `set` was returned by `store`; `signers` has bit i set for validator i.
    function signedPower(bytes32 digest, address set, uint256 signers, bytes calldata aggregate)
        external
        view
        returns (uint256 signed, uint256 total);
}
