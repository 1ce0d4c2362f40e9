// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {VaultState} from "./VaultState.sol";

/// The times at which the vault was locked, and what they add to the time of a withdrawal.
abstract contract Pauses is VaultState {
    /// The last second in which a withdrawal with this `notAfter` is paid. Each pause that began while it could be paid, and
    /// in the trusting period before its `notAfter`, adds its length. So a pause takes no time from any withdrawal that is
    /// valid for at most the trusting period, and of a longer one it takes none of the last trusting period. Once this time
    /// has passed it never changes: a later pause begins after it. While the vault is frozen the result may lie beyond all
    /// times.
    function deadline(uint64 notAfter) public view returns (uint256 end) {
        end = notAfter;
        uint256 count = _pauses.length;
        uint256 next = count;
        while (next != 0 && uint256(_pauses[next - 1].start) + trustingPeriod >= notAfter) next--;
        for (; next < count; next++) {
            Pause memory pause = _pauses[next];
            if (pause.start > end) break;
            end += pause.end - pause.start;
        }
    }

    /// Lock the vault until `end`, or move the end of the pause under way there.
    function _setPauseEnd(uint40 end) internal {
        if (block.timestamp < _latest.pausedUntil) {
            _pauses[_pauses.length - 1].end = end;
        } else {
            _pauses.push(Pause(uint64(block.timestamp), end));
        }
        _latest.pausedUntil = end;
    }
}
