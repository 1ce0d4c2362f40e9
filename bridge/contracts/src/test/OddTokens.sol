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
