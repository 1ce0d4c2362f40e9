// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {VaultState} from "./VaultState.sol";

/// The record of payments, and the transfer by which money leaves the vault.
abstract contract Outflows is VaultState {
    using SafeERC20 for IERC20;

    /// Whether withdrawal `nonce` was paid by this vault.
    function isPaid(uint64 nonce) public view returns (bool) {
        return (uint256(_payments[nonce / PAYMENTS]) >> (nonce % PAYMENTS)) & 1 == 1;
    }

    /// Mark a withdrawal that was not paid before as paid, and add the payment to the rolling hash of its word. One slot is
    /// written for both.
    function _recordPayment(uint64 nonce, uint64 account, address token, address to, uint256 amount) internal {
        bytes32 word = _payments[nonce / PAYMENTS];
        (uint256 marks, uint256 mark) = (uint40(uint256(word)), uint256(1) << (nonce % PAYMENTS));
        if (marks & mark != 0) revert AlreadyPaid(nonce);
        bytes27 rolled = _rolled(bytes27(word), nonce, token, account, amount, to);
        _payments[nonce / PAYMENTS] = bytes32(rolled) | bytes32(marks | mark);
    }

    /// Only mark it: the escape pays by another proof, and its own payments are not shown to it.
    function _markPaid(uint64 nonce) internal {
        _payments[nonce / PAYMENTS] |= bytes32(uint256(1) << (nonce % PAYMENTS));
    }

    /// Transfer what the vault owes. The token must take exactly `amount` out of the vault, so that no token makes the vault
    /// owe what it does not have.
    function _transferOut(address token, address to, uint256 amount) internal {
        uint256 paid = withdrawn[token];
        uint256 accounted = deposited[token] - paid;
        // Nothing is accounted of a token that is not listed.
        if (amount == 0 || amount > accounted) revert BeyondHoldings(amount, accounted);
        unchecked {
            // No more than was deposited.
            withdrawn[token] = paid + amount;
        }
        uint256 before = _balance(token);
        IERC20(token).safeTransfer(to, amount);
        uint256 left = _balance(token);
        if (left > before || before - left != amount) {
            revert WrongDebit(token, amount, left > before ? 0 : before - left);
        }
    }
}
