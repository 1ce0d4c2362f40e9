// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Vault} from "../Vault.sol";
import {TestToken} from "./TestToken.sol";

/// Behaves as it is in the mood for: the kinds of tokens that others have met (github.com/d-xo/weird-erc20), in one.
contract MoodyToken is TestToken {
    enum Mood {
        Fair,
        /// Takes 1 % of what it transfers.
        ReceiverFee,
        /// Takes one more unit from who pays.
        SenderFee,
        /// Says true and moves nothing.
        Lying,
        Refusing,
        /// Says false and moves nothing.
        Failing,
        /// Says false and moves the amount.
        Modest,
        /// Says nothing, as USDT.
        Silent,
        /// Answers with 100 kB, of which the first word says true.
        Long,
        /// Reverts with 100 kB.
        Loud,
        Burning,
        /// Calls the vault again from inside a transfer.
        Reentering,
        /// Moves something more to the vault from inside a transfer, as a hook of ERC-777 may.
        Giving,
        RefusingZero,
        /// Refuses amounts of 96 bits and more, as UNI.
        Narrow,
        /// Refuses one receiver.
        Blocking,
        /// Refuses to change an allowance to another than zero, as USDT.
        Racing,
        BalanceBoundless,
        BalanceRefused,
        BalanceBurning,
        BalanceShort
    }

    /// Whom `Blocking` refuses.
    address public constant BLOCKED = 0x4242424242424242424242424242424242424242;

    Mood public mood;

    error NotInTheMood();

    constructor() TestToken("Moody", "MOOD", 6) {}

    function setMood(Mood next) external {
        mood = next;
    }

    /// A rebase down, or a seizure.
    function take(address from, uint256 amount) external {
        _burn(from, amount);
    }

    /// Lend what does not exist for one call, in which it is deposited.
    function flashDeposit(Vault vault, uint256 amount) external {
        _mint(address(this), amount);
        _approve(address(this), address(vault), amount);
        vault.deposit(address(this), amount, 1);
        _burn(address(this), amount);
    }

    function approve(address spender, uint256 amount) public override returns (bool) {
        if (mood == Mood.Racing && amount != 0 && allowance(msg.sender, spender) != 0) revert NotInTheMood();
        return super.approve(spender, amount);
    }

    function balanceOf(address owner) public view override returns (uint256) {
        if (mood == Mood.BalanceBoundless) return type(uint256).max;
        if (mood == Mood.BalanceRefused) revert NotInTheMood();
        while (mood == Mood.BalanceBurning) {}
        if (mood == Mood.BalanceShort) _answer(31);
        return super.balanceOf(owner);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (_before(msg.sender, msg.sender, to, amount)) super.transfer(to, amount);
        return _said();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (_before(msg.sender, from, to, amount)) super.transferFrom(from, to, amount);
        return _said();
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (mood == Mood.ReceiverFee && from != address(0) && to != address(0)) {
            super._update(from, address(0), amount / 100);
            amount -= amount / 100;
        }
        super._update(from, to, amount);
    }

    /// Whether anything is moved.
    function _before(address vault, address from, address to, uint256 amount) private returns (bool) {
        if (mood == Mood.Refusing) revert NotInTheMood();
        if (mood == Mood.RefusingZero && amount == 0) revert NotInTheMood();
        if (mood == Mood.Narrow && amount >> 96 != 0) revert NotInTheMood();
        if (mood == Mood.Blocking && to == BLOCKED) revert NotInTheMood();
        while (mood == Mood.Burning) {}
        if (mood == Mood.SenderFee) _burn(from, 1);
        if (mood == Mood.Giving) _mint(vault, 1);
        if (mood == Mood.Reentering) Vault(vault).deposit(address(this), amount, 1);
        if (mood == Mood.Loud) {
            assembly ("memory-safe") {
                revert(0, 100000)
            }
        }
        return mood != Mood.Lying && mood != Mood.Failing;
    }

    function _said() private view returns (bool) {
        if (mood == Mood.Silent) _answer(0);
        if (mood == Mood.Long) _answer(100_000);
        return mood != Mood.Failing && mood != Mood.Modest;
    }

    /// Answer with a word of 1 and zeros, in so many bytes. Nothing runs after it.
    function _answer(uint256 length) private pure {
        assembly {
            let start := mload(64)
            mstore(start, 1)
            return(start, length)
        }
    }
}
