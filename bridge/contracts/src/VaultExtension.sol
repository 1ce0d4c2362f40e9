// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Escape} from "./Escape.sol";
import {Evidence} from "./Evidence.sol";
import {VaultState} from "./VaultState.sol";

/// The vault's rare functions: what the guardian, the cold quorum and evidence can do, and the escape.
///
/// The vault runs its code on the vault's own storage, which both inherit from `VaultState`: the code of one contract may
/// have 24,576 bytes at most (EIP-170). Compound III does the same (`CometExt`). It is deployed before its vault, with the same
/// settings. Called by itself it has no guardian, no keys, no validators and no money.
contract VaultExtension is Evidence, Escape {
    /// Its vault has the same.
    bytes32 public immutable settingsHash;

    constructor(Settings memory settings) VaultState(settings) {
        settingsHash = keccak256(abi.encode(settings));
    }
}
