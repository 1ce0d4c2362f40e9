// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The shape of a message that Chainlink CCIP delivers with tokens. Source: `Client.Any2EVMMessage` and
/// `IAny2EVMMessageReceiver` of @chainlink/contracts-ccip 1.6; the names of types are ours, the ABI is theirs.
struct CcipTokenAmount {
    address token;
    uint256 amount;
}

struct CcipMessage {
    bytes32 messageId;
    uint64 sourceChainSelector;
    bytes sender;
    bytes data;
    CcipTokenAmount[] destTokenAmounts;
}

/// The router asks `supportsInterface` for this interface (ERC-165), transfers the tokens, and then calls it. A call that
/// reverts takes the transfer back: the message can be executed again by hand.
interface ICcipReceiver {
    function ccipReceive(CcipMessage calldata message) external;
}
