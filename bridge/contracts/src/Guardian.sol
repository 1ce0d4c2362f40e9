// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {VaultState} from "./VaultState.sol";

/// The guardian's brake: one key that stops the vault for a bounded time and can do nothing else.
abstract contract Guardian is VaultState {
    /// Lock the vault for the pause period. A guardian cannot prolong it: the next pause needs a newer checkpoint, and the
    /// vault must have been open for as long as it was locked, because a guardian may submit the checkpoint itself in the
    /// first open block. Nor can a pause outlast the trust in the current set, after which no checkpoint could ever open the
    /// vault again: it ends a whole pause period before. An escape cannot be paused.
    function pause() external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        if (escapeFrom != 0) revert EscapeTriggeredAlready(escapeFrom);
        if (pausedAtHeight > latest.height) revert PausedAlready(latest.height);
        uint256 earliest = uint256(pausedUntil) + pausePeriod;
        if (block.timestamp < earliest) revert PauseTooSoon(earliest, block.timestamp);
        uint256 end = block.timestamp + pausePeriod;
        uint256 latestEnd = uint256(latest.trustedAt) + trustingPeriod - pausePeriod;
        if (end > latestEnd) end = latestEnd;
        if (end <= block.timestamp) revert PauseTooLate(latestEnd, block.timestamp);
        pausedAtHeight = latest.height + 1;
        pausedUntil = uint64(end);
        emit Paused(pausedUntil);
    }
}
