// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Deposits} from "../src/Deposits.sol";
import {Payments} from "../src/Payments.sol";
import {VaultState} from "../src/VaultState.sol";
import {TestToken} from "../src/test/TestToken.sol";
import {AnyCertificate} from "./Network.sol";
import {vm} from "./Vm.sol";

/// The two functions that write the counters of money, in a vault that may have any history.
contract CountedVault is Deposits, Payments {
    constructor(Settings memory settings) VaultState(settings) {
        _latest.trustedAt = type(uint40).max;
    }

    /// As it stands after that many base units of a listed token were taken and paid.
    function remember(address token, uint128 unit, uint256 taken, uint256 paid, uint40 nonce) external {
        assetOf[token] = AssetTerms(unit, unit);
        (deposited[token], withdrawn[token], depositNonce) = (taken, paid, nonce);
    }

    function transferOut(address token, address to, uint256 amount) external {
        _transferOut(token, to, amount);
    }
}

/// One step from every state in which the vault has what it owes leads to such a state again, for an honest token. By
/// halmos, for all values at once. A test in Python makes sure that no other function writes the counters.
contract CountersTest {
    uint128 internal constant UNIT = 4;
    CountedVault internal vault;
    TestToken internal token;
    TestToken internal other;

    function setUp() external {
        VaultState.Settings memory settings;
        settings.network = bytes32(uint256(1));
        settings.verifier = new AnyCertificate();
        settings.guardian = address(1);
        settings.trustingPeriod = 64;
        settings.pausePeriod = 1;
        vault = new CountedVault(settings);
        token = new TestToken("", "", 6);
        other = new TestToken("", "", 6);
    }

    function check_a_deposit_counts_no_more_than_arrived_and_one_nonce(
        uint256 taken,
        uint256 paid,
        uint256 balance,
        uint40 nonce,
        uint256 amount,
        uint64 account
    ) external {
        _remember(taken, paid, balance, nonce);
        vm.assume(amount <= type(uint256).max - balance);
        token.mint(address(this), amount);
        token.approve(address(vault), amount);
        vault.deposit(address(token), amount, account);
        assert(vault.deposited(address(token)) == taken + amount && vault.withdrawn(address(token)) == paid);
        assert(vault.depositNonce() == uint256(nonce) + 1);
        _assertSolvent();
    }

    function check_a_payment_counts_what_left_and_no_nonce(
        uint256 taken,
        uint256 paid,
        uint256 balance,
        uint40 nonce,
        address to,
        uint256 amount
    ) external {
        _remember(taken, paid, balance, nonce);
        vault.transferOut(address(token), to, amount);
        assert(vault.deposited(address(token)) == taken && vault.withdrawn(address(token)) == paid + amount);
        assert(token.balanceOf(address(vault)) == balance - amount);
        assert(vault.depositNonce() == nonce);
        _assertSolvent();
    }

    function check_a_payment_is_never_more_than_accounted(uint256 taken, uint256 paid, uint256 balance, uint256 amount)
        external
    {
        _remember(taken, paid, balance, 0);
        vm.assume(amount > taken - paid);
        (bool done,) = address(vault).call(abi.encodeCall(vault.transferOut, (address(token), address(2), amount)));
        assert(!done);
    }

    function check_one_tokens_money_is_no_other_tokens(uint256 taken, uint256 paid, uint256 balance, address to, uint256 amount)
        external
    {
        _remember(taken, paid, balance, 0);
        other.mint(address(vault), amount);
        (bool done,) = address(vault).call(abi.encodeCall(vault.transferOut, (address(other), to, amount)));
        assert(!done);
    }

    function _remember(uint256 taken, uint256 paid, uint256 balance, uint40 nonce) private {
        vm.assume(paid <= taken && taken - paid <= balance);
        token.mint(address(vault), balance);
        vault.remember(address(token), UNIT, taken, paid, nonce);
    }

    function _assertSolvent() private view {
        uint256 accounted = vault.deposited(address(token)) - vault.withdrawn(address(token));
        assert(accounted <= token.balanceOf(address(vault)));
    }
}
