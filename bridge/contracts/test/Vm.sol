// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The part of forge's and halmos' cheatcodes that the tests use.
interface Vm {
    function prank(address caller) external;
    function warp(uint256 time) external;
    function assume(bool condition) external pure;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
