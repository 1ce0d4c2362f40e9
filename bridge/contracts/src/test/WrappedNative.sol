// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IWrappedNative} from "../IWrappedNative.sol";

/// A devnet's native coin as a token, one for one. As in WETH9, an unknown call is a deposit: such a token takes a permit
/// without a word and gives no allowance.
contract WrappedNative is ERC20("Wrapped native coin", "WNATIVE"), IWrappedNative {
    error CoinNotTaken(address to);

    receive() external payable {
        deposit();
    }

    fallback() external payable {
        deposit();
    }

    function deposit() public payable {
        _mint(msg.sender, msg.value);
    }

    function withdraw(uint256 amount) external {
        _burn(msg.sender, amount);
        (bool taken,) = msg.sender.call{value: amount}("");
        if (!taken) revert CoinNotTaken(msg.sender);
    }
}
