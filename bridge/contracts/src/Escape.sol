// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {ExitLeaf, ExitPlace, ExitTotals, ExitTree} from "./ExitTree.sol";
import {Payments} from "./Payments.sol";
import {Withdrawal, WithdrawalsTree} from "./WithdrawalsTree.sol";

/// A deposit as `Deposited` tells it.
struct WalkedDeposit {
    address token;
    uint64 account;
    uint256 amount;
    address from;
}

/// The way out of a silent network: owners are paid by the newest certified exit tree, without anybody's help.
///
/// 1. Half the trusting period without a checkpoint: anybody triggers the escape.
/// 2. Return, a quarter of it: checkpoints are still accepted. One whose header is later than the trigger cancels the
///    escape; an earlier one only makes the snapshot newer.
/// 3. Settlement, another quarter: the vault's own records since the snapshot are shown to it. Nothing is paid.
/// 4. Payment, without end. Due first, each in full as far as the token reaches: withdrawals that were open at the
///    snapshot, and deposits that were not credited by then. What is left is paid to accounts pro rata. What comes first and
///    was not claimed, and what accounts that were paid after the snapshot have not claimed, is held back for a trusting
///    period.
///
/// Rule: a token pays no more than the vault has and owes of it, no leaf more than once, and the order of claims does not
/// matter while the token's balance stands still: an account that claimed early claims again when more is left for it.
/// Nobody can pause it. Each token stands alone.
abstract contract Escape is Payments {
    /// State the network's silence, or that a conflict was not settled in time: then the exit root of the newest checkpoint
    /// below it governs. Anybody may.
    function triggerEscape() external {
        if (escapeFrom != 0) revert EscapeTriggeredAlready(escapeFrom);
        uint256 start = block.timestamp;
        bool frozen = _conflict.since != 0;
        uint256 until = frozen ? _conflictEscapeFrom() : silentFrom;
        if (start <= until) revert NotSilent(until, start);
        if (frozen) latest.exitRoot = _exitRootBelowConflict();
        else if (start < pausedUntil) start = pausedUntil;
        escapeTriggeredAt = uint64(block.timestamp);
        escapeFrom = uint64(start + trustingPeriod / 4);
        emit EscapeTriggered(escapeFrom);
    }

    /// From when on claims are paid; zero: no escape was triggered.
    function paymentsFrom() public view returns (uint256) {
        return escapeFrom == 0 ? 0 : uint256(escapeFrom) + trustingPeriod / 4;
    }

    /// Open the exit of a token: show its totals under the certified exit root. Where no epoch was certified there is no
    /// tree, and all totals are zero.
    function openExit(ExitTotals calldata totals, ExitPlace calldata place) external {
        _requireSince(escapeFrom);
        address token = totals.token;
        TokenExit storage exit = exitOf[token];
        if (exit.open) revert ExitOpenAlready(token);
        if (assetOf[token].unit == 0) revert TokenNotListed(token);
        if (ExitTree.isEmpty(latest.exitRoot)) {
            if (!ExitTree.isNothing(totals)) revert WrongTotals(token);
        } else {
            _requireExit(ExitTree.totalsHash(block.chainid, address(this), totals), place);
        }
        exit.open = true;
        exit.depositCursor = totals.depositCursor;
        exit.withdrawalsCount = totals.withdrawalsCount;
        exit.accounts = totals.accounts;
        exit.seniors = totals.seniors + Math.saturatingSub(deposited[token], totals.counted);
        emit ExitOpened(token, exit.accounts, exit.seniors);
    }

    /// Show withdrawals, ordered by nonce, that were released after the snapshot and paid before the escape: they are
    /// deducted from what their accounts had at the snapshot. The proof is as for `withdrawBatch`. What was shown before,
    /// was not paid here, or is in the snapshot is passed over.
    function showPaid(Withdrawal[] calldata withdrawals, uint64 root, bytes32[] calldata siblings) external {
        _requireSince(escapeFrom);
        _requireRoot(WithdrawalsTree.rootFromMany(block.chainid, address(this), withdrawals, siblings), root);
        for (uint256 i = 0; i < withdrawals.length; i++) {
            Withdrawal calldata withdrawal = withdrawals[i];
            (uint64 nonce, address token) = (withdrawal.nonce, withdrawal.token);
            TokenExit storage exit = exitOf[token];
            if (!exit.open || nonce < exit.withdrawalsCount) continue;
            if (!isPaid(nonce) || isShown(nonce)) continue;
            _shown[nonce >> 8] |= uint256(1) << (nonce & 255);
            exitDebt[token][ExitTree.debtor(withdrawal.account, withdrawal.to)] += withdrawal.amount;
            if (withdrawal.account != ExitTree.STRAY_ACCOUNT) exit.debts += withdrawal.amount;
        }
    }

    /// Whether the payment of withdrawal `nonce` after the snapshot was shown.
    function isShown(uint64 nonce) public view returns (bool) {
        return (_shown[nonce >> 8] >> (nonce & 255)) & 1 == 1;
    }

    /// Claim by a leaf of the exit tree. Anybody may; the money goes to the leaf's address. A withdrawal that was paid since
    /// the snapshot is only settled, which may be done during settlement, too.
    function claimExit(ExitLeaf calldata leaf, ExitPlace calldata place) external nonReentrant {
        _requireSince(escapeFrom);
        TokenExit storage exit = _openExit(leaf.token);
        LeafExit storage known = exitLeaf[place.index];
        _requireExit(ExitTree.leafHash(block.chainid, address(this), leaf), place);
        uint256 due;
        if (leaf.kind == ExitTree.ACCOUNT) {
            _requireSince(paymentsFrom());
            due = _settleAccount(exit, known, leaf);
        } else {
            if (known.settled) revert NothingDue(place.index);
            known.settled = true;
            bool paid = leaf.kind == ExitTree.WITHDRAWAL && isPaid(leaf.number);
            if (!paid) {
                _requireSince(paymentsFrom());
                due = leaf.amount - _deductStray(exit, leaf);
                if (leaf.kind == ExitTree.WITHDRAWAL) _markPaid(leaf.number);
            }
            due = _settleSenior(exit, leaf.token, leaf.amount, due);
        }
        known.paid += due;
        emit ExitPaid(place.index, leaf.token, leaf.to, due);
        if (due != 0) _transferOut(leaf.token, leaf.to, due);
    }

    /// Show deposits back from the newest that was not shown, so that those after the snapshot can be refunded. They are
    /// given in order of nonce, with the rolling hash before the first.
    function walkDeposits(bytes32 before, WalkedDeposit[] calldata deposits) external {
        _requireSince(escapeFrom);
        (uint64 newest, bytes27 trusted) = walkStarted ? (walkNonce, walkHash) : (uint64(depositNonce), depositsHash);
        if (deposits.length == 0 || deposits.length > newest) revert WrongDeposit(newest, before, trusted);
        uint64 nonce = newest - uint64(deposits.length);
        (walkStarted, walkNonce, walkHash) = (true, nonce, bytes27(before));
        bytes27 rolled = bytes27(before);
        for (uint256 i = 0; i < deposits.length; i++) {
            WalkedDeposit calldata deposit = deposits[i];
            rolled = _rolled(rolled, ++nonce, deposit.token, deposit.account, deposit.amount, deposit.from);
            walkedDeposit[nonce] = keccak256(abi.encode(deposit));
        }
        if (rolled != trusted) revert WrongDeposit(newest, rolled, trusted);
    }

    /// Refund a deposit that was walked past and is not in the snapshot, to who made it, without what its account was paid
    /// since the snapshot. Anybody may call this.
    function refundDeposit(uint64 nonce, WalkedDeposit calldata deposit) external nonReentrant {
        _requireSince(paymentsFrom());
        TokenExit storage exit = _openExit(deposit.token);
        bytes32 found = keccak256(abi.encode(deposit));
        if (walkedDeposit[nonce] != found) revert WrongDeposit(nonce, found, walkedDeposit[nonce]);
        if (nonce <= exit.depositCursor) revert AlreadyPaid(nonce);
        walkedDeposit[nonce] = 0;
        uint256 due = deposit.amount - _deduct(exit, deposit.token, ExitTree.depositor(deposit.from), deposit.amount);
        due -= _deduct(exit, deposit.token, deposit.account, due);
        due = _settleSenior(exit, deposit.token, deposit.amount, due);
        emit DepositRefunded(nonce, deposit.token, deposit.from, due);
        if (due != 0) _transferOut(deposit.token, deposit.from, due);
    }

    /// What of a claim that comes first is paid: all that is `due` of it, or its part of what the vault has when that is
    /// less than all that come first. Their proportions stay as they were, so that the order of claims changes nothing.
    function _settleSenior(TokenExit storage exit, address token, uint256 amount, uint256 due) private returns (uint256) {
        // What is not due was paid already. A total that does not match its payments must not lock the last of them.
        uint256 seniors = Math.saturatingSub(exit.seniors, amount - due);
        uint256 have = _held(token);
        exit.seniors = Math.saturatingSub(seniors, due);
        return Math.min(have < seniors ? Math.mulDiv(due, have, seniors) : due, have);
    }

    /// What is due to an account now: its claim in proportion to what all claims after those that come first can get, less
    /// what it got.
    function _settleAccount(TokenExit storage exit, LeafExit storage known, ExitLeaf calldata leaf)
        private
        returns (uint256)
    {
        if (!known.settled) {
            uint256 deducted = _deduct(exit, leaf.token, leaf.number, leaf.amount);
            (known.settled, known.net) = (true, leaf.amount - deducted);
            exit.settled += known.net;
            exit.accounts = Math.saturatingSub(exit.accounts, deducted);
        }
        uint256 have = _held(leaf.token);
        // What comes first is reserved for a time only: nobody can show for another that it was paid.
        uint256 spare = _isLate() ? have : Math.saturatingSub(have, exit.seniors);
        uint256 pool = spare + exit.accountsPaid;
        uint256 all = exit.accounts;
        // Who was paid everything after the snapshot never claims. In the end its claim counts as settled.
        if (_isLate()) all = Math.max(Math.saturatingSub(all, exit.debts), exit.settled);
        uint256 claim = pool < all ? Math.mulDiv(known.net, pool, all) : known.net;
        uint256 due = Math.min(Math.saturatingSub(claim, known.paid), spare);
        exit.accountsPaid += due;
        return due;
    }

    /// What was paid after the snapshot of a claim that comes first: to a depositor as a refund that was released again, or to
    /// the account that a deposit was credited to.
    function _deductStray(TokenExit storage exit, ExitLeaf calldata leaf) private returns (uint256 deducted) {
        deducted = _deduct(exit, leaf.token, ExitTree.depositor(leaf.to), leaf.amount);
        if (leaf.kind == ExitTree.DEPOSIT) deducted += _deduct(exit, leaf.token, leaf.number, leaf.amount - deducted);
    }

    /// Whether a trusting period has passed since payments began.
    function _isLate() private view returns (bool) {
        return block.timestamp >= paymentsFrom() + trustingPeriod;
    }

    /// Take from a debt what a claim of this size can bear.
    function _deduct(TokenExit storage exit, address token, uint256 debtor, uint256 amount)
        private
        returns (uint256 deducted)
    {
        uint256 debt = exitDebt[token][debtor];
        deducted = Math.min(debt, amount);
        if (deducted == 0) return 0;
        exitDebt[token][debtor] = debt - deducted;
        if (debtor >> 160 == 0) exit.debts -= deducted;
    }

    /// What the vault owes of a token, or what it has of it if that is less.
    function _held(address token) private view returns (uint256) {
        return Math.min(deposited[token] - withdrawn[token], IERC20(token).balanceOf(address(this)));
    }

    function _openExit(address token) private view returns (TokenExit storage exit) {
        exit = exitOf[token];
        if (!exit.open) revert ExitNotOpen(token);
    }

    function _requireSince(uint256 from) private view {
        if (from == 0 || block.timestamp < from) revert EscapeNotBegun(from, block.timestamp);
    }

    function _requireExit(bytes32 leaf, ExitPlace calldata place) private view {
        bytes32 found = ExitTree.rootFrom(leaf, place);
        if (found != latest.exitRoot) revert BadProof(found, latest.exitRoot);
    }
}
