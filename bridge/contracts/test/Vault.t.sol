// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ExitLeaf} from "../src/ExitTree.sol";
import {Vault} from "../src/Vault.sol";
import {VaultState} from "../src/VaultState.sol";
import {Withdrawal} from "../src/WithdrawalsTree.sol";
import {TestToken} from "../src/test/TestToken.sol";
import {Handler} from "./Handler.sol";
import {Network} from "./Network.sol";

/// forge's own form of a contract and the functions of it to call.
struct FuzzSelector {
    address target;
    bytes4[] selectors;
}

/// What no order of calls can break, whatever the network certifies.
abstract contract VaultInvariants {
    Handler internal handler;
    Vault internal vault;

    /// Calls beside `escape`, which `fallSilent` makes.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](14);
        selectors[0] = Handler.takeDeposit.selector;
        selectors[1] = Handler.stray.selector;
        selectors[2] = Handler.release.selector;
        selectors[3] = Handler.certify.selector;
        selectors[4] = Handler.releaseAndPay.selector;
        selectors[5] = Handler.withdraw.selector;
        selectors[6] = Handler.withdrawAll.selector;
        selectors[7] = Handler.pause.selector;
        selectors[8] = Handler.guardianCalls.selector;
        selectors[9] = Handler.payOfBatch.selector;
        selectors[10] = Handler.wait.selector;
        selectors[11] = Handler.fallSilent.selector;
        selectors[12] = Handler.claimAll.selector;
        selectors[13] = Handler.refundAll.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_released_never_exceeds_deposited() external view {
        for (uint256 i = 0; i < 2; i++) {
            address token = address(handler.tokens(i));
            require(vault.withdrawn(token) <= vault.deposited(token), "more was paid out than in");
        }
    }

    function invariant_what_is_accounted_is_there() external view {
        for (uint256 i = 0; i < 2; i++) {
            TestToken token = handler.tokens(i);
            uint256 accounted = vault.deposited(address(token)) - vault.withdrawn(address(token));
            require(accounted <= token.balanceOf(address(vault)), "the vault owes what it does not have");
        }
    }

    function invariant_one_withdrawal_one_payment() external view {
        for (uint256 i = 0; i < handler.releasedCount(); i++) {
            Withdrawal memory it = handler.released(i);
            uint256 got = TestToken(it.token).balanceOf(it.to);
            require(got <= it.amount, "a withdrawal was paid twice");
            require(got == 0 || vault.isPaid(it.nonce), "a withdrawal was paid and not marked");
        }
    }

    function invariant_one_deposit_one_refund() external view {
        for (uint256 i = 0; i < handler.takenCount(); i++) {
            Network.Taken memory it = handler.taken(i);
            require(handler.tokens(it.token).balanceOf(it.from) <= it.amount, "a deposit was refunded twice");
        }
    }

    function invariant_no_account_exits_with_more_than_its_leaf() external view {
        for (uint256 i = 0; i < handler.leafCount(); i++) {
            ExitLeaf memory it = handler.leaf(i);
            require(TestToken(it.token).balanceOf(it.to) <= it.amount, "a leaf of the exit tree was paid twice");
        }
    }

    function invariant_escape_sums_match() external view {
        for (uint256 i = 0; i < 2; i++) {
            address token = address(handler.tokens(i));
            VaultState.TokenExit memory exit = handler.rare().exitOf(token);
            require(exit.accounts.paid <= exit.accounts.settled, "accounts were paid more than was due to them");
            require(exit.seniors.paid <= exit.seniors.settled, "more was paid first than was due first");
            require(exit.accounts.settled <= exit.accounts.total, "accounts claimed more than was due to them");
            require(exit.debts <= vault.withdrawn(token), "more debt was shown than was paid");
        }
    }

    function invariant_guardian_gets_nothing() external view {
        for (uint256 i = 0; i < 2; i++) {
            require(handler.tokens(i).balanceOf(handler.GUARDIAN()) == 0, "the guardian was paid");
        }
    }

    function invariant_all_that_left_the_vault_was_paid_to_leaves() external view {
        for (uint256 i = 0; i < 2; i++) {
            TestToken token = handler.tokens(i);
            uint256 got;
            for (uint256 j = 0; j < 3; j++) {
                got += token.balanceOf(handler.payee(1, j));
            }
            for (uint256 j = 0; j < handler.releasedCount(); j++) {
                got += token.balanceOf(handler.payee(2, j));
            }
            for (uint256 j = 0; j < handler.takenCount(); j++) {
                got += token.balanceOf(handler.payee(3, j + 1));
            }
            require(got == vault.withdrawn(address(token)), "money left the vault by another way");
        }
    }
}

contract HonestNetworkTest is VaultInvariants {
    function setUp() external {
        handler = new Handler(true);
        vault = handler.vault();
    }
}

contract GreedyNetworkTest is VaultInvariants {
    function setUp() external {
        handler = new Handler(false);
        vault = handler.vault();
    }
}

/// An honest network that falls silent: everybody is paid to the last unit.
contract EscapeTest {
    function test_escape_pays_every_owner_in_full(uint40[6] calldata amounts, uint256 part, bool shows) external {
        Handler handler = new Handler(true);
        for (uint64 i = 0; i < 4; i++) {
            handler.takeDeposit(i, i, amounts[i]);
        }
        handler.certify(true);
        handler.release(0, 0, part);
        handler.release(1, 1, part);
        handler.certify(true);
        handler.withdraw(0);
        handler.takeDeposit(0, 0, amounts[4]);
        handler.takeDeposit(1, 2, amounts[5]);
        handler.escape(shows);
        handler.claimAll();
        handler.refundAll();
        // Who claimed before what was paid was settled claims again.
        handler.claimAll();
        handler.refundAll();
        Vault vault = handler.vault();
        for (uint256 i = 0; i < 2; i++) {
            TestToken token = handler.tokens(i);
            require(vault.deposited(address(token)) == vault.withdrawn(address(token)), "somebody was not paid");
            require(token.balanceOf(address(vault)) == 0, "something is left");
        }
    }
}
