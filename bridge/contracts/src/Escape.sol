// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Checkpoints} from "./Checkpoints.sol";
import {ExitLeaf, ExitPlace, ExitTotals, ExitTree, TokenAtVault} from "./ExitTree.sol";
import {Outflows} from "./Outflows.sol";
import {Pauses} from "./Pauses.sol";

/// A deposit as `Deposited` tells it.
struct WalkedDeposit {
    address token;
    uint64 account;
    uint256 amount;
    address from;
}

/// A payment as `Withdrawn` tells it.
struct WalkedPayment {
    uint64 nonce;
    uint64 account;
    address token;
    address to;
    uint256 amount;
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
/// Rule: a token pays no more than the vault has and owes of it, no claim more than once, and the order of claims does not
/// matter while the token's balance stands still: who claimed early claims again when more is left for it. Nobody can
/// pause it. Each token stands alone.
abstract contract Escape is Checkpoints, Pauses, Outflows {
    /// By how much a chain's time may be ahead of the network's.
    uint256 private constant CLOCK_SKEW = 1 hours;
    /// How many deposits of one depositor may make room for another: bounds the gas of a claim.
    uint256 private constant SHARES_MAX = 64;

    /// State the network's silence, or that a conflict was not settled in time: then the exit root of the newest checkpoint
    /// below it governs. Anybody may.
    function triggerEscape() external {
        if (escapeFrom() != 0) revert EscapeTriggeredAlready(escapeFrom());
        uint256 start = block.timestamp;
        bool frozen = _conflict.since != 0;
        uint256 until = frozen ? _conflictEscapeFrom() : silentFrom();
        if (start <= until) revert NotSilent(until, start);
        if (frozen) _latest.exitRoot = _exitRootBelowConflict();
        else if (start < pausedUntil()) start = pausedUntil();
        escapeTriggeredAt = uint40(block.timestamp);
        _latest.escapeFrom = uint40(start + trustingPeriod / 4);
        emit EscapeTriggered(escapeFrom());
    }

    /// From when on claims are paid; zero: no escape was triggered.
    function paymentsFrom() public view returns (uint256) {
        return escapeFrom() == 0 ? 0 : uint256(escapeFrom()) + trustingPeriod / 4;
    }

    /// What was due to a token's owners, and what the exit has settled since.
    function exitOf(address token) external view returns (TokenExit memory) {
        return _exitOf[token];
    }

    /// What became of a leaf.
    function exitLeaf(uint256 index) external view returns (LeafExit memory) {
        return _exitLeaf[index];
    }

    /// What a debtor was paid after the snapshot and that was shown.
    function exitDebt(address token, uint256 debtor) external view returns (Debt memory) {
        return _exitDebt[token][debtor];
    }

    /// Whether the payment of withdrawal `nonce` after the snapshot was shown.
    function isShown(uint64 nonce) public view returns (bool) {
        return (_shown[nonce / PAYMENTS] >> (nonce % PAYMENTS)) & 1 == 1;
    }

    /// The newest deposit that was not walked past yet.
    function walkNonce() external view returns (uint64) {
        return _walkStarted ? _walkNonce : depositNonce;
    }

    /// Hash of a deposit that was walked past, else zero, and what became of it.
    function walkedDeposit(uint64 nonce) external view returns (bytes32 hash, LeafExit memory refund) {
        return (_walkedDeposit[nonce], _refundOf[nonce]);
    }

    /// Open the exit of a token: show its totals under the certified exit root, or those that skip it. All is zero for a
    /// token that the tree skips, because its first deposit came after the snapshot, and where no tree was certified.
    function openExit(address token, ExitTotals calldata totals, ExitPlace calldata place) external {
        _requireSince(escapeFrom());
        TokenExit storage exit = _exitOf[token];
        if (exit.open) revert ExitOpenAlready(token);
        if (assetOf[token].unit == 0) revert TokenNotListed(token);
        exit.open = true;
        uint256 counted;
        if (!ExitTree.isEmpty(_latest.exitRoot)) {
            _requireExit(ExitTree.totalsHash(totals), place);
            TokenAtVault memory wanted = TokenAtVault(block.chainid, address(this), token);
            if (ExitTree.isSame(totals.own, wanted)) {
                (exit.depositCursor, exit.withdrawalsCount) = (totals.depositCursor, totals.withdrawalsCount);
                (exit.accounts.total, exit.seniors.total, counted) = (totals.accounts, totals.seniors, totals.counted);
            } else if (!ExitTree.skips(totals, wanted)) {
                revert WrongTotals(token);
            }
        }
        exit.seniors.total += Math.saturatingSub(deposited[token], counted);
        emit ExitOpened(token, exit.accounts.total, exit.seniors.total);
    }

    /// Show all payments of word `nonceWord`, in the order in which they were made. Those of withdrawals that were released
    /// after the snapshot are deducted from what their accounts had at the snapshot. What was shown before, is in the
    /// snapshot, or is of a token that is not open is passed over.
    function walkPayments(uint256 nonceWord, WalkedPayment[] calldata payments) external {
        _requireSince(escapeFrom());
        bytes27 rolled;
        for (uint256 i = 0; i < payments.length; i++) {
            WalkedPayment calldata payment = payments[i];
            (uint64 nonce, address token) = (payment.nonce, payment.token);
            rolled = _rolled(rolled, nonce, token, payment.account, payment.amount, payment.to);
            TokenExit storage exit = _exitOf[token];
            if (!exit.open || nonce < exit.withdrawalsCount || isShown(nonce)) continue;
            _shown[nonce / PAYMENTS] |= uint256(1) << (nonce % PAYMENTS);
            _exitDebt[token][ExitTree.debtor(payment.account, payment.to)].open += payment.amount;
            if (payment.account != ExitTree.STRAY_ACCOUNT) exit.debts += payment.amount;
        }
        // What was written above stands only if these are the payments that were made.
        bytes27 trusted = bytes27(_payments[nonceWord]);
        if (rolled != trusted) revert WrongPayments(nonceWord, rolled, trusted);
    }

    /// Claim by a leaf of the exit tree. Anybody may; the money goes to the leaf's address. A withdrawal that was paid since
    /// the snapshot is only settled, which may be done during settlement, too. `due`: base units that are paid now.
    function claimExit(ExitLeaf calldata leaf, ExitPlace calldata place) external nonReentrant returns (uint256 due) {
        _requireSince(escapeFrom());
        TokenExit storage exit = _openExit(leaf.token);
        LeafExit storage known = _exitLeaf[place.index];
        _requireExit(ExitTree.leafHash(block.chainid, address(this), leaf), place);
        if (leaf.kind == ExitTree.ACCOUNT) {
            _requireSince(paymentsFrom());
            due = _claimAccount(exit, known, leaf);
        } else {
            if (!known.settled) _settleSenior(exit, known, leaf.amount, _paidBefore(exit, leaf));
            if (known.net != 0) {
                _requireSince(paymentsFrom());
                if (leaf.kind == ExitTree.WITHDRAWAL) _markPaid(leaf.number);
                due = _claimSenior(exit, known, leaf.token);
            }
        }
        emit ExitPaid(place.index, leaf.token, leaf.to, due);
        if (due != 0) _transferOut(leaf.token, leaf.to, due);
    }

    /// Show deposits back from the newest that was not shown, so that those after the snapshot can be refunded. They are
    /// given in order of nonce, with the rolling hash before the first.
    function walkDeposits(bytes32 before, WalkedDeposit[] calldata deposits) external {
        _requireSince(escapeFrom());
        (uint40 newest, bytes27 trusted) = _walkStarted ? (_walkNonce, _walkHash) : (depositNonce, depositsHash);
        if (deposits.length == 0 || deposits.length > newest) revert WrongDeposit(newest, before, trusted);
        uint40 nonce = newest - uint40(deposits.length);
        (_walkStarted, _walkNonce, _walkHash) = (true, nonce, bytes27(before));
        bytes27 rolled = bytes27(before);
        for (uint256 i = 0; i < deposits.length; i++) {
            WalkedDeposit calldata deposit = deposits[i];
            rolled = _rolled(rolled, ++nonce, deposit.token, deposit.account, deposit.amount, deposit.from);
            _walkedDeposit[nonce] = keccak256(abi.encode(deposit));
        }
        if (rolled != trusted) revert WrongDeposit(newest, rolled, trusted);
    }

    /// Refund a deposit that was walked past and is not in the snapshot, to who made it, without what its account was paid
    /// since the snapshot. Anybody may call this. `due`: base units that are paid now.
    function refundDeposit(uint64 nonce, WalkedDeposit calldata deposit) external nonReentrant returns (uint256 due) {
        _requireSince(paymentsFrom());
        TokenExit storage exit = _openExit(deposit.token);
        bytes32 found = keccak256(abi.encode(deposit));
        if (_walkedDeposit[nonce] != found) revert WrongDeposit(nonce, found, _walkedDeposit[nonce]);
        if (nonce <= exit.depositCursor) revert AlreadyPaid(nonce);
        LeafExit storage known = _refundOf[nonce];
        if (!known.settled) {
            uint256 paid = _bearOfDepositor(exit, deposit.token, deposit.from, deposit.amount);
            paid += _bearOfNamed(exit, deposit.token, deposit.from, deposit.account, deposit.amount, paid);
            _settleSenior(exit, known, deposit.amount, paid);
        }
        due = _claimSenior(exit, known, deposit.token);
        emit DepositRefunded(nonce, deposit.token, deposit.from, due);
        if (due != 0) _transferOut(deposit.token, deposit.from, due);
    }

    /// What of a claim that comes first was paid before the escape: all of a withdrawal that the vault paid; of one that the
    /// network may have seen expire and given back, what its account was paid since the snapshot; of a stray deposit what its depositor was refunded since the snapshot, or the account that it names was paid.
    function _paidBefore(TokenExit storage exit, ExitLeaf calldata leaf) private returns (uint256 paid) {
        if (leaf.kind == ExitTree.WITHDRAWAL) {
            if (isPaid(leaf.number)) return leaf.amount;
            if (deadline(leaf.notAfter) >= uint256(_latest.trustedAt) + CLOCK_SKEW) return 0;
            return _bear(exit, leaf.token, ExitTree.debtor(leaf.account, leaf.to), leaf.amount);
        }
        paid = _bearOfDepositor(exit, leaf.token, leaf.to, leaf.amount);
        if (leaf.kind == ExitTree.DEPOSIT) {
            paid += _bearOfNamed(exit, leaf.token, leaf.to, leaf.number, leaf.amount, paid);
        }
    }

    /// Know a claim that comes first, of which this was paid before.
    function _settleSenior(TokenExit storage exit, LeafExit storage known, uint256 amount, uint256 paid) private {
        (known.settled, known.net) = (true, amount - paid);
        // A total that does not match its claims must not lock the last of them.
        exit.seniors.total = Math.saturatingSub(exit.seniors.total, paid);
        exit.seniors.settled += known.net;
    }

    function _claimSenior(TokenExit storage exit, LeafExit storage known, address token) private returns (uint256) {
        return _take(exit.seniors, known, _seniors(exit), _held(token));
    }

    /// What is due to an account now: its claim in proportion to what all claims after those that come first can get, less
    /// what it got.
    function _claimAccount(TokenExit storage exit, LeafExit storage known, ExitLeaf calldata leaf)
        private
        returns (uint256)
    {
        Debt storage debt = _exitDebt[leaf.token][leaf.number];
        if (!known.settled) {
            uint256 borne = Math.min(debt.open, leaf.amount);
            (debt.open, debt.borne) = (debt.open - borne, debt.borne + borne);
            exit.debts -= borne;
            known.settled = true;
            exit.accounts.settled += leaf.amount - borne;
            exit.accounts.total = Math.saturatingSub(exit.accounts.total, borne);
        }
        known.net = Math.saturatingSub(leaf.amount, debt.borne);
        uint256 spare = Math.saturatingSub(_held(leaf.token), Math.saturatingSub(_seniors(exit), exit.seniors.paid));
        uint256 all = exit.accounts.total;
        // Who was paid everything after the snapshot never claims. In the end its claim counts as settled.
        if (_isLate()) all = Math.max(Math.saturatingSub(all, exit.debts), exit.accounts.settled);
        return _take(exit.accounts, known, all, spare);
    }

    /// What comes first, in all. It is reserved for a time only: nobody can show for another that it was paid.
    function _seniors(TokenExit storage exit) private view returns (uint256) {
        return _isLate() ? exit.seniors.settled : Math.max(exit.seniors.total, exit.seniors.settled);
    }

    /// What a claim gets now: its part of what there is for `all` of its kind, with what they got, less what it got itself.
    function _take(Dues storage dues, LeafExit storage known, uint256 all, uint256 spare) private returns (uint256 due) {
        uint256 pool = spare + dues.paid;
        uint256 claim = pool < all ? Math.mulDiv(known.net, pool, all) : known.net;
        due = Math.min(Math.saturatingSub(claim, known.paid), spare);
        known.paid += due;
        dues.paid += due;
    }

    /// Whether a trusting period has passed since payments began.
    function _isLate() private view returns (bool) {
        return block.timestamp >= paymentsFrom() + trustingPeriod;
    }

    /// Let a claim that comes first bear what its debtor was paid, as far as it reaches. It takes over what the account's leaf
    /// bears already, so that the order of claims does not matter.
    function _bear(TokenExit storage exit, address token, uint256 debtor, uint256 amount) private returns (uint256) {
        Debt storage debt = _exitDebt[token][debtor];
        uint256 open = Math.min(debt.open, amount);
        uint256 borne = Math.min(debt.borne, amount - open);
        (debt.open, debt.borne) = (debt.open - open, debt.borne - borne);
        if (debtor >> 160 == 0) exit.debts -= open;
        exit.accounts.total += borne;
        exit.accounts.settled += borne;
        return open + borne;
    }

    /// Let a deposit bear what its depositor was refunded. Where other deposits of the depositor bear that already, they bear
    /// instead, as far as they can, what the accounts that they name were paid.
    function _bearOfDepositor(TokenExit storage exit, address token, address from, uint256 amount)
        private
        returns (uint256 borne)
    {
        borne = _bear(exit, token, ExitTree.depositor(from), amount);
        Share[] storage shares = _refundShares[token][from];
        uint256 count = Math.min(shares.length, SHARES_MAX);
        for (uint256 i = 0; i < count && borne < amount; i++) {
            Share storage share = shares[i];
            uint256 moved = _bear(exit, token, share.account, Math.min(share.amount, amount - borne));
            share.amount -= moved;
            borne += moved;
        }
    }

    /// Let a deposit that bears `paid` of its depositor's refunds bear what the account that it names was paid.
    function _bearOfNamed(
        TokenExit storage exit,
        address token,
        address from,
        uint64 account,
        uint256 amount,
        uint256 paid
    ) private returns (uint256) {
        if (paid != 0) _refundShares[token][from].push(Share(account, paid));
        return _bear(exit, token, account, amount - paid);
    }

    /// What the vault owes of a token, or what it has of it if that is less.
    function _held(address token) private view returns (uint256) {
        return Math.min(deposited[token] - withdrawn[token], _balance(token));
    }

    function _openExit(address token) private view returns (TokenExit storage exit) {
        exit = _exitOf[token];
        if (!exit.open) revert ExitNotOpen(token);
    }

    function _requireSince(uint256 from) private view {
        if (from == 0 || block.timestamp < from) revert EscapeNotBegun(from, block.timestamp);
    }

    function _requireExit(bytes32 leaf, ExitPlace calldata place) private view {
        bytes32 found = ExitTree.rootFrom(leaf, place);
        if (found != _latest.exitRoot) revert BadProof(found, _latest.exitRoot);
    }
}
