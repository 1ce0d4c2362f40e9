// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Checkpoints} from "./Checkpoints.sol";
import {Outflows} from "./Outflows.sol";
import {Pauses} from "./Pauses.sol";
import {Withdrawal, WithdrawalsTree} from "./WithdrawalsTree.sol";

/// Money out: withdrawals that the network released, proven under a certified root, each paid once.
abstract contract Payments is Checkpoints, Pauses, Outflows {
    /// Pay a withdrawal. Its siblings, from the leaf up, lead to certified root number `root`; roots of empty subtrees at
    /// the end may be left out. Anybody may call this; the money always goes to the leaf's address.
    function withdraw(Withdrawal calldata withdrawal, uint64 root, bytes32[] calldata siblings)
        external
        nonReentrant
    {
        (uint64 count, uint64 newest) = _open();
        uint64 nonce = withdrawal.nonce;
        if (nonce >= count) revert UnknownWithdrawal(nonce, count);
        bytes32 leaf = WithdrawalsTree.leaf(block.chainid, address(this), withdrawal);
        _requireRoot(WithdrawalsTree.rootFrom(leaf, nonce, siblings), root, newest);
        _pay(withdrawal);
    }

    /// Pay several withdrawals, ordered by nonce, under one proof: the siblings that they do not give each other, level
    /// by level from the leaves up. What was paid before is passed over. A payment that fails leaves its withdrawal as it
    /// was, and the others are paid; the call reverts when none is. Anybody may call this.
    function withdrawBatch(Withdrawal[] calldata withdrawals, uint64 root, bytes32[] calldata siblings)
        external
        nonReentrant
    {
        (uint64 count, uint64 newest) = _open();
        _requireRoot(WithdrawalsTree.rootFromMany(block.chainid, address(this), withdrawals, siblings), root, newest);
        uint64 last = withdrawals[withdrawals.length - 1].nonce;
        if (last >= count) revert UnknownWithdrawal(last, count);
        uint256 paid;
        for (uint256 i = 0; i < withdrawals.length; i++) {
            Withdrawal calldata withdrawal = withdrawals[i];
            if (isPaid(withdrawal.nonce)) continue;
            // A call gets 63 of 64 parts at most. Without this, whoever sends the batch could starve a payment.
            if (gasleft() * 63 / 64 < PAYMENT_GAS) revert TooLittleGas(gasleft(), PAYMENT_GAS * 64 / 63);
            try this.payOfBatch{gas: PAYMENT_GAS}(withdrawal) {
                paid++;
            } catch {
                // Without the error's text: a token could make it too long to copy.
                emit PaymentFailed(withdrawal.nonce);
            }
        }
        if (paid == 0) revert NothingPaid();
    }

    /// One payment of a batch in a call of its own, so that it can fail alone. Only the vault calls this.
    function payOfBatch(Withdrawal calldata withdrawal) external {
        if (msg.sender != address(this)) revert NotTheVault(msg.sender);
        _pay(withdrawal);
    }

    /// Pay a proven withdrawal. Effects come before the transfer.
    function _pay(Withdrawal calldata withdrawal) private {
        (uint64 nonce, address token, uint256 amount) = (withdrawal.nonce, withdrawal.token, withdrawal.amount);
        _recordPayment(nonce, withdrawal.account, token, withdrawal.to, amount);
        if (block.timestamp > withdrawal.notAfter && block.timestamp > deadline(withdrawal.notAfter)) {
            revert Expired(withdrawal.notAfter, block.timestamp);
        }
        _transferOut(token, withdrawal.to, amount);
        emit Withdrawn(nonce, token, withdrawal.to, withdrawal.account, amount);
    }
}
