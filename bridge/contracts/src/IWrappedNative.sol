// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The one function that a vault calls of the token that stands for native coin, as WETH9 has it.
interface IWrappedNative {
    /// Credit the caller with as much of the token as native coin comes with the call.
    function deposit() external payable;
}
