// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {CcipMessage, ICcipReceiver} from "./ICcipReceiver.sol";

/// What an outside bridge needs of a vault.
interface IVaultDeposits {
    function deposit(address token, uint256 amount, uint64 account) external;

    function assetOf(address token) external view returns (uint128 unit, uint128 minimum);
}

/// An example of an outside bridge: tokens that arrive with a CCIP message are deposited for the account that the
/// message names. `data` of the message is `abi.encode(uint64 account, address refundTo)`.
///
/// Rule: what the vault takes is deposited; everything else is kept for `refundTo`, who fetches it here. So a token
/// that is not listed, a vault that takes nothing at present, or a remainder below a clearing unit locks no money.
///
/// Only the router may deliver: anybody else could name tokens that are kept for others. Who sent the message does not
/// matter, because money only goes in, and anybody may deposit for any account.
contract CcipDeposits is ICcipReceiver, IERC165 {
    using SafeERC20 for IERC20;

    IVaultDeposits public immutable vault;
    address public immutable router;
    /// Base units of a token that an owner may fetch.
    mapping(address token => mapping(address owner => uint256)) public refundable;
    /// The sum of them, by token.
    mapping(address token => uint256) public kept;

    /// `amount` arrived, of which `deposited` went into the vault. The rest is refundable.
    event Arrived(
        bytes32 indexed messageId, address indexed token, uint64 indexed account, uint256 amount, uint256 deposited
    );
    event Refunded(address indexed token, address indexed owner, uint256 amount);

    error NotTheRouter(address caller);
    error BadInstruction(bytes data);
    error NothingToRefund(address token, address owner);

    constructor(IVaultDeposits vault_, address router_) {
        vault = vault_;
        router = router_;
    }

    function ccipReceive(CcipMessage calldata message) external {
        if (msg.sender != router) revert NotTheRouter(msg.sender);
        if (message.data.length != 64) revert BadInstruction(message.data);
        (uint64 account, address refundTo) = abi.decode(message.data, (uint64, address));
        if (refundTo == address(0)) revert BadInstruction(message.data);
        for (uint256 i = 0; i < message.destTokenAmounts.length; i++) {
            address token = message.destTokenAmounts[i].token;
            uint256 amount = _arrived(token, message.destTokenAmounts[i].amount);
            uint256 deposited = _deposit(token, amount, account);
            refundable[token][refundTo] += amount - deposited;
            kept[token] += amount - deposited;
            emit Arrived(message.messageId, token, account, amount, deposited);
        }
    }

    /// Pay the caller what is kept for it.
    function refund(address token) external {
        uint256 amount = refundable[token][msg.sender];
        if (amount == 0) revert NothingToRefund(token, msg.sender);
        refundable[token][msg.sender] = 0;
        kept[token] -= amount;
        emit Refunded(token, msg.sender, amount);
        IERC20(token).safeTransfer(msg.sender, amount);
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(ICcipReceiver).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    /// What is here of a token beyond what is kept for others, at most `stated`: some tokens transfer less than they say.
    function _arrived(address token, uint256 stated) private view returns (uint256) {
        uint256 present = IERC20(token).balanceOf(address(this));
        uint256 free = present > kept[token] ? present - kept[token] : 0;
        return stated < free ? stated : free;
    }

    /// Deposit as many whole clearing units as the vault takes, none below its minimum; how much that was.
    function _deposit(address token, uint256 amount, uint64 account) private returns (uint256) {
        (uint256 unit,) = vault.assetOf(token);
        uint256 whole = unit == 0 ? 0 : amount - amount % unit;
        if (whole == 0) return 0;
        IERC20(token).forceApprove(address(vault), whole);
        try vault.deposit(token, whole, account) {
            return whole;
        } catch {
            IERC20(token).forceApprove(address(vault), 0);
            return 0;
        }
    }
}
