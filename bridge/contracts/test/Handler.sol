// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ExitTotals} from "../src/ExitTree.sol";
import {WalkedDeposit, WalkedPayment} from "../src/Escape.sol";
import {Withdrawal} from "../src/WithdrawalsTree.sol";
import {Network} from "./Network.sol";
import {vm} from "./Vm.sol";

/// What members, the network and a hostile guardian may do in any order. The guardian sends everything that anybody may.
contract Handler is Network {
    /// Whether the network releases no more than it credited.
    bool internal immutable _honest;
    /// Withdrawals that the vault paid, in order.
    Withdrawal[] internal _payments;

    constructor(bool honest) {
        _honest = honest;
    }

    function takeDeposit(uint256 token, uint64 account, uint256 amount) external {
        token %= TOKENS;
        amount = 1 + amount % 1e12;
        address from = payee(3, _taken.length + 1);
        tokens[token].mint(from, amount);
        vm.prank(from);
        tokens[token].approve(address(vault), amount);
        vm.prank(from);
        vault.deposit(address(tokens[token]), amount, account % uint64(ACCOUNTS));
        _taken.push(Taken(token, account % uint64(ACCOUNTS), amount, from));
    }

    /// Coins that come without a deposit belong to nobody, and change nothing.
    function stray(uint256 token, uint256 amount) external {
        tokens[token % TOKENS].mint(address(vault), amount % 1e6);
    }

    function release(uint256 token, uint64 account, uint256 amount) public {
        (token, account) = (token % TOKENS, account % uint64(ACCOUNTS));
        uint256 most = _honest ? _ledger[token][account] : 5e11;
        if (most == 0 || _released.length == LEAVES_MAX) return;
        amount = 1 + amount % most;
        if (_honest) _ledger[token][account] -= amount;
        uint64 nonce = uint64(_released.length);
        _released.push(Withdrawal(nonce, account, address(tokens[token]), payee(2, nonce), amount, NEVER));
    }

    function certify(bool closes) public {
        _certify(closes);
    }

    /// Release, certify and pay at once: else too few runs come that far.
    function releaseAndPay(uint256 token, uint64 account, uint256 amount, bool closes) external {
        certify(closes);
        release(token, account, amount);
        certify(closes);
        if (_released.length != 0) withdraw(_released.length - 1);
    }

    function withdraw(uint256 nonce) public {
        if (_certified == 0) return;
        nonce %= _certified;
        (Withdrawal memory it, bytes32[] memory siblings) = (_released[nonce], _siblings(nonce));
        uint64 root = _newestRoot();
        vm.prank(GUARDIAN);
        vault.withdraw(it, root, siblings);
        _payments.push(it);
    }

    function withdrawAll() external {
        (Withdrawal[] memory all, uint64 root) = (_allCertified(), _newestRoot());
        if (all.length == 0) return;
        bool[] memory before = new bool[](all.length);
        for (uint256 i = 0; i < all.length; i++) {
            before[i] = vault.isPaid(uint64(i));
        }
        vm.prank(GUARDIAN);
        vault.withdrawBatch(all, root, new bytes32[](0));
        for (uint256 i = 0; i < all.length; i++) {
            if (!before[i] && vault.isPaid(uint64(i))) _payments.push(all[i]);
        }
    }

    function pause(uint256 dice) external {
        if (dice % 4 != 0) return;
        vm.prank(GUARDIAN);
        (bool done,) = address(vault).call(abi.encodeWithSignature("pause()"));
        done;
    }

    /// Any call at all by the guardian.
    function guardianCalls(bytes calldata data) external {
        vm.prank(GUARDIAN);
        (bool done,) = address(vault).call(data);
        done;
    }

    function payOfBatch(uint256 nonce) external {
        Withdrawal memory it = _released[nonce % _released.length];
        vm.prank(GUARDIAN);
        vault.payOfBatch(it);
    }

    function wait(uint256 time) external {
        if (block.timestamp < vault.pausedUntil()) vm.warp(vault.pausedUntil());
        else vm.warp(block.timestamp + time % 3 hours);
    }

    /// The network falls silent, seldom and not at once: else most calls come after it.
    function fallSilent(uint256 dice, bool shows) external {
        if (dice % 8 == 0 && _released.length > 4) escape(shows);
    }

    /// The escape begins, its tokens are opened, and the vault's records are shown.
    function escape(bool shows) public {
        vm.warp(block.timestamp + TRUSTING / 2 + 1);
        vm.prank(GUARDIAN);
        rare.triggerEscape();
        vm.warp(vault.escapeFrom());
        _open();
        if (shows) showPayments();
        vm.warp(rare.paymentsFrom());
    }

    /// All fit one word: `LEAVES_MAX` is less than its size.
    function showPayments() public {
        WalkedPayment[] memory all = new WalkedPayment[](_payments.length);
        for (uint256 i = 0; i < all.length; i++) {
            Withdrawal storage it = _payments[i];
            all[i] = WalkedPayment(it.nonce, it.account, it.token, it.to, it.amount);
        }
        vm.prank(GUARDIAN);
        rare.walkPayments(0, all);
    }

    function claim(uint256 index) public {
        index %= _leaves.length;
        vm.prank(GUARDIAN);
        rare.claimExit(_leaves[index], _place(index));
    }

    function claimAll() external {
        for (uint256 i = 0; i < _leaves.length; i++) {
            try this.claim(i) {} catch {}
        }
    }

    function refundAll() external {
        if (rare.walkNonce() == _taken.length) _walk();
        for (uint256 i = 0; i < _taken.length; i++) {
            try this.refund(i) {} catch {}
        }
    }

    function refund(uint256 i) public {
        WalkedDeposit memory it = _walked(i % _taken.length);
        vm.prank(GUARDIAN);
        rare.refundDeposit(uint64(i % _taken.length) + 1, it);
    }

    function _open() private {
        for (uint256 i = 0; i < TOKENS; i++) {
            ExitTotals memory totals;
            if (_totals.length != 0) totals = _totals[i];
            rare.openExit(address(tokens[i]), totals, _place(_leaves.length + i));
        }
    }

    function _walk() private {
        WalkedDeposit[] memory all = new WalkedDeposit[](_taken.length);
        for (uint256 i = 0; i < all.length; i++) {
            all[i] = _walked(i);
        }
        rare.walkDeposits(0, all);
    }

    function _walked(uint256 i) private view returns (WalkedDeposit memory) {
        Taken storage it = _taken[i];
        return WalkedDeposit(address(tokens[it.token]), it.account, it.amount, it.from);
    }

    function _allCertified() private view returns (Withdrawal[] memory all) {
        all = new Withdrawal[](_certified);
        for (uint256 i = 0; i < all.length; i++) {
            all[i] = _released[i];
        }
    }

    function _newestRoot() private view returns (uint64 number) {
        (,,, number,,,) = vault.latest();
    }
}
