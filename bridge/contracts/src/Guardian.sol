// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Checkpoints} from "./Checkpoints.sol";
import {ColdQuorum} from "./ColdQuorum.sol";
import {Pauses} from "./Pauses.sol";
import {WithdrawalsTree} from "./WithdrawalsTree.sol";

/// The guardian's brake: one key that stops the vault for a bounded time and can do nothing else. The cold quorum ends a
/// pause; the quorum and the network replace the key.
abstract contract Guardian is Checkpoints, Pauses, ColdQuorum {
    bytes32 private constant END_PAUSE = keccak256("EndPause(uint256 pausedUntil,uint256 nonce)");
    bytes32 private constant REPLACE_GUARDIAN = keccak256("ReplaceGuardian(address guardian,uint256 nonce)");

    /// Lock the vault for the pause period. A guardian cannot prolong it: the next pause needs a newer checkpoint, and the
    /// vault must have been open for as long as a pause may last, because a guardian may submit the checkpoint itself in the
    /// first open block. So no more than half of any time is locked. Nor can a pause outlast the trust in the current set,
    /// after which no checkpoint could ever open the vault again: it ends a whole pause period before. An escape cannot be
    /// paused.
    function pause() external {
        if (msg.sender != _guardian) revert NotGuardian(msg.sender);
        if (escapeFrom() != 0) revert EscapeTriggeredAlready(escapeFrom());
        if (_pausedAtHeight > _latest.height) revert PausedAlready(_latest.height);
        uint256 earliest = uint256(pausedUntil()) + pausePeriod;
        if (block.timestamp < earliest) revert PauseTooSoon(earliest, block.timestamp);
        uint256 end = block.timestamp + pausePeriod;
        uint256 latestEnd = uint256(_latest.trustedAt) + trustingPeriod - pausePeriod;
        if (end > latestEnd) end = latestEnd;
        if (end <= block.timestamp) revert PauseTooLate(latestEnd, block.timestamp);
        // In 64 bits: the greatest height of 40 has a next one, too.
        _pausedAtHeight = uint64(_latest.height) + 1;
        _setPauseEnd(uint40(end));
        emit Paused(uint64(end));
    }

    /// End the pause under way. By the cold quorum's decision `EndPause`, which names the pause by its end.
    function endPause(bytes[] calldata signatures) external {
        _requireNotFrozen();
        if (block.timestamp >= pausedUntil()) revert NotPaused(pausedUntil());
        _requireColdQuorum(END_PAUSE, bytes32(uint256(pausedUntil())), signatures);
        _setPauseEnd(uint40(block.timestamp));
        emit PauseEnded(uint64(block.timestamp));
    }

    /// Give the guardian's place to another key, by the cold quorum's decision `ReplaceGuardian`. Orders of the network
    /// that it released before are void.
    function replaceGuardian(address next, bytes[] calldata signatures) external {
        _requireColdQuorum(REPLACE_GUARDIAN, bytes32(uint256(uint160(next))), signatures);
        _setGuardian(next, _latest.withdrawalsCount);
    }

    /// Give the guardian's place to another key, by an order that the network released as leaf `nonce` of its withdrawals
    /// tree; the proof is as for `withdraw`. Anybody may show it, also during a pause. It voids all orders before it.
    function followOrder(uint64 nonce, address next, uint64 root, bytes32[] calldata siblings) external {
        _requireNotFrozen();
        if (nonce >= _latest.withdrawalsCount) revert UnknownWithdrawal(nonce, _latest.withdrawalsCount);
        if (nonce < _ordersFrom) revert OrderVoid(nonce, _ordersFrom);
        bytes32 leaf = WithdrawalsTree.guardianOrderLeaf(block.chainid, address(this), nonce, next);
        _requireRoot(WithdrawalsTree.rootFrom(leaf, nonce, siblings), root, _latest.rootNumber);
        _setGuardian(next, nonce + 1);
    }

    /// The key that may pause.
    function guardian() external view returns (address) {
        return _guardian;
    }

    /// Orders of the network before this leaf of the withdrawals tree are void.
    function ordersFrom() external view returns (uint64) {
        return _ordersFrom;
    }

    function _setGuardian(address next, uint64 from) private {
        if (next == address(0)) revert ZeroSetting();
        (_guardian, _ordersFrom) = (next, from);
        emit GuardianReplaced(next);
    }

    function _requireNotFrozen() internal view {
        if (pausedUntil() == FROZEN) revert IsFrozen(_conflict.height);
    }
}
