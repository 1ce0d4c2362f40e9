// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {VaultState} from "./VaultState.sol";

/// Money in: numbered deposits whose rolling hash proves that none is missing.
abstract contract Deposits is VaultState {
    using SafeERC20 for IERC20;

    /// Pay `amount` base units of `token` in for ledger account `account`. It credits the amount received, in whole
    /// clearing units. Refused once half the trusting period has passed without a checkpoint: a network that is silent for
    /// so long may never come back. Refused, too, while an escape is under way.
    function deposit(address token, uint256 amount, uint64 account) external nonReentrant whenOpen {
        uint256 until = silentFrom();
        if (block.timestamp > until) revert NetworkSilent(until, block.timestamp);
        if (escapeFrom != 0) revert EscapeTriggeredAlready(escapeFrom);
        uint256 unit = unitOf[token];
        if (unit == 0) revert TokenNotListed(token);
        uint256 excess = amount % unit;
        if (amount == 0 || excess != 0) revert NotAMultiple(amount, amount - excess, _next(amount - excess, unit));
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        uint256 credited = received - received % unit;
        if (credited == 0) revert NothingReceived(amount, received);
        if (received != credited) dust[token] += received - credited;
        deposited[token] += credited;
        uint64 nonce = ++depositNonce;
        bytes32 rolled = _rolled(depositsHash, nonce, token, account, credited, msg.sender);
        depositsHash = rolled;
        emit Deposited(nonce, token, account, credited, msg.sender, rolled);
    }

    /// The multiple above, or zero where there is none.
    function _next(uint256 multiple, uint256 unit) private pure returns (uint256) {
        unchecked {
            uint256 next = multiple + unit;
            return next > multiple ? next : 0;
        }
    }
}
