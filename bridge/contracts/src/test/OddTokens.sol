// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Vault} from "../Vault.sol";
import {TestToken} from "./TestToken.sol";

/// Takes 1 % of every transfer.
contract FeeToken is TestToken {
    constructor() TestToken("Fee", "FEE", 6) {}

    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, amount);
        uint256 fee = amount / 100;
        super._update(from, to, amount - fee);
        super._update(from, address(0), fee);
    }
}

/// Says false instead of reverting, and moves nothing.
contract FalseToken is TestToken {
    constructor() TestToken("False", "FALSE", 6) {}

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// Calls the vault again from inside a transfer into it.
contract ReentrantToken is TestToken {
    constructor() TestToken("Reentrant", "RE", 6) {}

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        Vault(to).deposit(address(this), amount, 1);
        return super.transferFrom(from, to, amount);
    }
}

/// Transfers as it is in the mood for.
contract MoodyToken is TestToken {
    enum Mood {
        Fair,
        Refusing,
        Burning,
        Lying,
        Taking,
        Loud,
        Reentering
    }

    Mood public mood;

    constructor() TestToken("Moody", "MOOD", 6) {}

    function setMood(Mood next) external {
        mood = next;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.Refusing) revert("on the list");
        while (mood == Mood.Burning) {}
        if (mood == Mood.Lying) return true;
        if (mood == Mood.Taking) _burn(msg.sender, 1);
        if (mood == Mood.Loud) {
            assembly ("memory-safe") {
                revert(0, 500000)
            }
        }
        if (mood == Mood.Reentering) Vault(msg.sender).deposit(address(this), amount, 1);
        return super.transfer(to, amount);
    }
}
