// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Payments} from "../src/Payments.sol";
import {VaultState} from "../src/VaultState.sol";
import {Withdrawal} from "../src/WithdrawalsTree.sol";
import {AnyCertificate, Hashes} from "./Network.sol";
import {vm} from "./Vm.sol";

/// Marks withdrawals without paying them.
contract Marks is Payments {
    constructor(Settings memory settings) VaultState(settings) {}

    function mark(uint64 nonce) external {
        _markPaid(nonce);
    }

    function record(uint64 nonce, uint64 account, address token, address to, uint256 amount) external {
        _recordPayment(nonce, account, token, to, amount);
    }

    /// Of the word that a withdrawal is in: its rolling hash.
    function paymentsHash(uint64 nonce) external view returns (bytes27) {
        return bytes27(_payments[nonce / PAYMENTS]);
    }

    function roll(bytes27 before, uint64 nonce, address token, uint64 account, uint256 amount, address from)
        external
        pure
        returns (bytes32)
    {
        return _rolled(before, nonce, token, account, amount, from);
    }
}

/// For all values at once, by halmos: functions named `check_`.
contract SymbolicTest {
    Hashes internal hashes;
    Marks internal marks;

    function setUp() external {
        hashes = new Hashes();
        VaultState.Settings memory settings;
        settings.network = bytes32(uint256(1));
        settings.verifier = new AnyCertificate();
        settings.guardian = address(1);
        settings.trustingPeriod = 64;
        settings.pausePeriod = 1;
        marks = new Marks(settings);
    }

    function check_a_leaf_commits_to_every_field(
        address vault,
        address other,
        Withdrawal calldata first,
        Withdrawal calldata second
    ) external view {
        vm.assume(hashes.withdrawal(vault, first) == hashes.withdrawal(other, second));
        assert(vault == other);
        assert(first.nonce == second.nonce && first.account == second.account && first.token == second.token);
        assert(first.to == second.to && first.amount == second.amount && first.notAfter == second.notAfter);
    }

    function check_no_order_passes_for_a_withdrawal(address vault, uint64 nonce, address next, Withdrawal calldata it)
        external
        view
    {
        assert(hashes.order(vault, nonce, next) != hashes.withdrawal(vault, it));
    }

    function check_marking_a_withdrawal_marks_it_and_no_other(uint64 nonce, uint64 other, uint64 marked) external {
        marks.mark(marked);
        bool before = marks.isPaid(other);
        marks.mark(nonce);
        assert(marks.isPaid(nonce));
        assert(other == nonce || marks.isPaid(other) == before);
    }

    function check_a_payment_marks_its_withdrawal_and_adds_to_the_hash_of_its_word(
        uint64 first,
        uint64 nonce,
        uint64 account,
        address token,
        address to,
        uint256 amount
    ) external {
        vm.assume(first < 160 && nonce < 160);
        marks.mark(first);
        marks.record(nonce, account, token, to, amount);
        assert(marks.isPaid(first) && marks.isPaid(nonce));
        assert(marks.paymentsHash(nonce) == marks.roll(0, nonce, token, account, amount, to));
    }

    function check_deposits_hash_ignores_bits_beside_a_field(
        bytes27 before,
        uint64 nonce,
        address token,
        uint64 account,
        uint256 amount,
        address from
    ) external view {
        bytes32 plain = keccak256(abi.encode(before, nonce, token, account, amount, from));
        assert(marks.roll(before, nonce, token, account, amount, from) == bytes32(bytes27(plain)));
    }
}
