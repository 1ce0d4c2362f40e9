// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ICertificateVerifier} from "./ICertificateVerifier.sol";

/// The state of the network as a vault knows it, for contracts that trust what the vault trusts.
interface IVaultTrust {
    function network() external view returns (bytes32);
    function verifier() external view returns (ICertificateVerifier);
    function trustingPeriod() external view returns (uint64);
    /// Hash of the set that certifies, and its keys; zero between a rotation and their installation.
    function validatorsHash() external view returns (bytes32);
    function validatorsCode() external view returns (address);
    /// When a pause ends, in seconds; all bits are set while a conflict of the set that certifies is not settled.
    function pausedUntil() external view returns (uint40);
    /// The newest certified header. `trustedAt` is in seconds.
    function latest()
        external
        view
        returns (
            uint64 height,
            uint64 withdrawalsCount,
            uint64 trustedAt,
            uint64 rootNumber,
            bytes32 withdrawalsRoot,
            bytes32 exitRoot,
            bytes32 history
        );
}
