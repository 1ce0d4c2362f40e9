// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Deposits} from "./Deposits.sol";
import {Payments} from "./Payments.sol";
import {VaultExtension} from "./VaultExtension.sol";
import {VaultState} from "./VaultState.sol";

/// Holds collateral of one clearing network on one chain. It takes deposits, learns the network's state from headers
/// that a quorum of its validators certified, and pays the withdrawals under the newest certified root.
///
/// Rule: what it owes (`deposited - withdrawn`, per token) never exceeds its balance, and no single key moves any
/// of it. There is no owner, no upgrade and no way to call an arbitrary address. Functions of `VaultExtension` are the
/// vault's, too.
contract Vault is Deposits, Payments {
    /// Code of the rare functions; fixed at deployment, as the verifier's.
    address public immutable extension;

    constructor(
        Settings memory settings,
        VaultExtension extension_,
        bytes memory validators,
        Asset[] memory assets
    ) VaultState(settings) {
        if (extension_.settingsHash() != keccak256(abi.encode(settings))) revert WrongExtension(address(extension_));
        extension = address(extension_);
        _guardian = settings.guardian;
        _setColdKeys(settings.coldKeys, settings.coldThreshold);
        validatorsHash = sha256(validators);
        validatorsCode = settings.verifier.store(validators);
        _latest.trustedAt = uint40(block.timestamp);
        for (uint256 i = 0; i < assets.length; i++) {
            (address token, uint128 unit, uint128 minimum) = (address(assets[i].token), assets[i].unit, assets[i].minimum);
            // A transfer from an address without code succeeds and moves nothing.
            if (token.code.length == 0) revert NoCode(token);
            if (unit == 0) revert ZeroSetting();
            if (minimum < unit) revert BelowMinimum(minimum, unit);
            if (assetOf[token].unit != 0) revert TokenListedTwice(token);
            assetOf[token] = AssetTerms(unit, minimum);
        }
        address wrapped = settings.wrappedNative;
        if (wrapped != address(0) && assetOf[wrapped].unit == 0) revert TokenNotListed(wrapped);
    }

    /// Run a function of the extension on the vault's storage.
    fallback() external {
        address code = extension;
        assembly ("memory-safe") {
            let free := mload(64)
            calldatacopy(free, 0, calldatasize())
            let ok := delegatecall(gas(), code, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            switch ok
            case 0 { revert(free, returndatasize()) }
            default { return(free, returndatasize()) }
        }
    }

    function _setColdKeys(address[] memory keys, uint256 threshold) private {
        if (threshold < 2 || threshold > keys.length || threshold * 2 <= keys.length) {
            revert BadColdQuorum(keys.length, threshold);
        }
        address last;
        for (uint256 i = 0; i < keys.length; i++) {
            if (keys[i] <= last) revert NotAColdKey(keys[i]);
            last = keys[i];
            _isColdKey[last] = true;
        }
    }
}
