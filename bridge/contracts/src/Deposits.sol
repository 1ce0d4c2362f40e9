// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IWrappedNative} from "./IWrappedNative.sol";
import {VaultState} from "./VaultState.sol";

/// Money in: numbered deposits whose rolling hash proves that none is missing.
///
/// A deposit is credited what arrived of it, in whole clearing units and never more than it stated. It is refused below
/// the token's minimum, once half the trusting period has passed without a checkpoint, because a network that is silent for
/// so long may never come back, and while an escape is under way.
abstract contract Deposits is VaultState {
    using SafeERC20 for IERC20;

    /// Pay `amount` base units of `token` in for ledger account `account`, out of the caller's allowance.
    function deposit(address token, uint256 amount, uint64 account) external nonReentrant {
        (uint256 unit, uint256 minimum) = _accepted(token, amount);
        _depositFrom(token, amount, account, unit, minimum);
    }

    /// The same with an allowance by signature (EIP-2612). Anybody may show the signature to the token before, and some
    /// tokens have no permits and say nothing: what counts is the allowance that the token then has.
    function depositWithPermit(
        address token,
        uint256 amount,
        uint64 account,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        (uint256 unit, uint256 minimum) = _accepted(token, amount);
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _depositFrom(token, amount, account, unit, minimum);
    }

    /// Pay the native coin that comes with the call in for ledger account `account`: the vault keeps and pays it wrapped.
    function depositNative(uint64 account) external payable nonReentrant {
        address token = wrappedNative;
        (uint256 unit, uint256 minimum) = _accepted(token, msg.value);
        uint256 before = _balance(token);
        IWrappedNative(token).deposit{value: msg.value}();
        _credit(token, msg.value, before, account, unit, minimum);
    }

    function _depositFrom(address token, uint256 amount, uint64 account, uint256 unit, uint256 minimum) private {
        uint256 before = _balance(token);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _credit(token, amount, before, account, unit, minimum);
    }

    /// The terms of a token of which `amount` may be paid in now.
    function _accepted(address token, uint256 amount) private view returns (uint256 unit, uint256 minimum) {
        // All of one slot, which is read once.
        (uint256 paused, uint256 time, uint40 escape) = (_latest.pausedUntil, _latest.trustedAt, _latest.escapeFrom);
        uint256 silent = time + trustingPeriod / 2;
        if (block.timestamp < paused) _revertPaused();
        if (block.timestamp > silent) revert NetworkSilent(silent, block.timestamp);
        if (escape != 0) revert EscapeTriggeredAlready(escape);
        AssetTerms storage terms = assetOf[token];
        (unit, minimum) = (terms.unit, terms.minimum);
        if (unit == 0) revert TokenNotListed(token);
        uint256 excess = amount % unit;
        if (amount == 0 || excess != 0) revert NotAMultiple(amount, amount - excess, _next(amount - excess, unit));
    }

    /// Credit what arrived of `amount` beyond the balance before. What came beside it, by a hook or a rebase, is not the
    /// depositor's.
    function _credit(address token, uint256 amount, uint256 before, uint64 account, uint256 unit, uint256 minimum)
        private
    {
        uint256 credited = _balance(token) - before;
        if (credited > amount) credited = amount;
        uint256 excess = credited % unit;
        if (excess != 0) {
            credited -= excess;
            dust[token] += excess;
        }
        if (credited < minimum) revert BelowMinimum(credited, minimum);
        deposited[token] += credited;
        uint40 nonce = depositNonce + 1;
        bytes27 rolled = _rolled(depositsHash, nonce, token, account, credited, msg.sender);
        (depositNonce, depositsHash) = (nonce, rolled);
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
