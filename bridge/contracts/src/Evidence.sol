// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Finality} from "./Finality.sol";
import {Guardian} from "./Guardian.sol";

/// Conflicting certificates. Two certified headers of one height mean that more than a third of the power signed twice, and
/// that nothing certified from there on can be believed: the vault freezes, and takes no checkpoint, deposit or withdrawal.
///
/// Ways out: the cold quorum chooses one of the two headers; or, half a trusting period after the freeze, the escape pays by
/// the exit root of the vault's newest checkpoint below the conflict.
///
/// Rule: old keys may forge conflicts for ever, but the clock of a freeze starts once. A lower conflict counts until the escape
/// may be triggered, and changes no time; then the conflict stands. A set is believed only of the heights that it certified.
abstract contract Evidence is Guardian {
    bytes32 private constant CHOOSE_BRANCH = keccak256("ChooseBranch(bytes32 header,uint256 nonce)");

    /// Show two headers of one height, each certified by a set that this vault trusts, or trusted within the trusting period.
    /// Anybody may, also during a pause. While the vault is frozen only a conflict at a lower height replaces the known one,
    /// before the escape from it may be triggered.
    function freeze(
        bytes calldata words,
        Certificate calldata certificate,
        bytes calldata otherWords,
        Certificate calldata otherCertificate
    ) external {
        (uint64 height, bytes32 first) = _certified(words, certificate);
        (uint64 otherHeight, bytes32 second) = _certified(otherWords, otherCertificate);
        _freeze(height, first, otherHeight, second);
    }

    /// Show a certified header of a height at which this vault accepted another one as a checkpoint. `before` is the
    /// vault's history before that checkpoint, `later` the hashes of its checkpoints after it.
    function freezeByHistory(
        bytes calldata words,
        Certificate calldata certificate,
        bytes calldata accepted,
        bytes32 before,
        bytes32[] calldata later
    ) external {
        (uint64 height, bytes32 second) = _certified(words, certificate);
        _requireHistory(_history(before, accepted, later), _latest.history);
        _freeze(Finality.read(accepted).height, sha256(accepted), height, second);
    }

    /// Show the vault's newest checkpoint below the conflict, where its newest one is not below: the header, one at or above the
    /// conflict that the vault accepted next, the history before both and the hashes of all after them. Without a header (no
    /// bytes) when the conflict is below all checkpoints; there is no exit root then.
    ///
    /// What does not fit one transaction is shown in parts, from the newest on: a part without a header leaves what is before
    /// its checkpoints (`baseHistory`) to be shown. Where that ends with the wanted header, nothing is shown after it.
    function showBase(
        bytes calldata words,
        bytes calldata following,
        bytes32 before,
        bytes32[] calldata later
    ) external {
        uint64 height = _conflict.height;
        // No conflict, or none whose base is not known.
        if (_conflict.since == 0 || _conflict.hasBase) revert NoConflict(0, height);
        (bytes32 base, bytes32 exitRoot) = (before, bytes32(0));
        if (words.length != 0) {
            Finality.Header memory header = Finality.read(words);
            if (header.height >= height) revert NoConflict(header.height, height);
            (base, exitRoot) = (_extended(before, sha256(words)), header.exitRoot);
        }
        bytes32 shown = base;
        if (following.length != 0) {
            uint64 next = Finality.read(following).height;
            if (next < height) revert NoConflict(next, height);
            // Heights ascend: those of the later ones are above it, too.
            shown = _history(base, following, later);
        }
        _requireHistory(shown, _conflict.baseHistory);
        _setBase(words.length != 0 || base == 0, base, exitRoot);
    }

    /// Settle the conflict by the cold quorum's decision `ChooseBranch`: the header with these words becomes the newest
    /// checkpoint, all others of its height are rejected, and the vault opens. A header that is not one of the two is shown
    /// with its certificate; else that is not looked at. The vault forgets all withdrawals roots but the chosen one's, and
    /// follows the set that the chosen header names. What it paid stays paid.
    function chooseBranch(bytes calldata words, Certificate calldata certificate, bytes[] calldata signatures) external {
        bytes32 chosen = sha256(words);
        Conflict memory known = _conflict;
        if (known.since == 0) revert NotOfConflict(chosen);
        if (chosen != known.first && chosen != known.second) {
            (uint64 height,) = _certified(words, certificate);
            if (height != known.height) revert NotOfConflict(chosen);
        }
        if (!known.hasBase) revert BaseUnknown(known.height);
        _cancelEscape(known.height);
        _requireColdQuorum(CHOOSE_BRANCH, chosen, signatures);
        if (known.height < _chosenHeight) _era++;
        _chosenHeight = known.height;
        _chosen[_era][known.height] = chosen;
        delete _conflict;
        delete _roots;
        (_latest.withdrawalsRoot, _latest.history) = (0, known.baseHistory);
        Finality.Header memory header = Finality.read(words);
        _accept(header, chosen);
        // A set that came from above the choice, and that the choice names, too, follows it.
        if (_validatorsFrom > header.height + 1) _validatorsFrom = header.height + 1;
        // After the above: sets that the vault has followed so far may be of the other branch.
        _branch++;
        // A pause at a height of the other branch, which may lie above all of this one, is none of a checkpoint to come.
        _pausedAtHeight = 0;
        _setPauseEnd(uint40(block.timestamp));
        emit BranchChosen(known.height, chosen);
    }

    /// Reject a header whose parent is rejected, or is not the chosen header of its height, so that the vault knows its
    /// children, too; a certificate is not needed for that. Anybody may.
    function rejectChild(bytes calldata words) external {
        bytes32 value = sha256(words);
        if (!_isRejected(Finality.read(words), value)) revert NotRejected(value);
        _rejected[_era][value] = true;
    }

    /// The conflict that froze the vault; all zero if there is none.
    function conflict() external view returns (Conflict memory) {
        return _conflict;
    }

    /// From when on the escape from a conflict may begin; zero while there is none.
    function conflictEscapeFrom() external view returns (uint256) {
        return _conflictEscapeFrom();
    }

    /// The header that the cold quorum chose at a height; zero if it chose none there.
    function chosenAt(uint64 height) external view returns (bytes32) {
        return _chosen[_era][height];
    }

    function _freeze(uint64 height, bytes32 first, uint64 otherHeight, bytes32 second) private {
        if (height != otherHeight || first == second) revert NoConflict(height, otherHeight);
        if (_conflict.since == 0) {
            _cancelEscape(height);
            (_conflict.since, _conflict.baseHistory) = (uint64(block.timestamp), _latest.history);
            _setPauseEnd(FROZEN);
        } else {
            if (height >= _conflict.height) revert IsFrozen(_conflict.height);
            uint256 until = _conflictEscapeFrom();
            if (block.timestamp > until) revert ConflictStands(until, block.timestamp);
        }
        (_conflict.first, _conflict.second, _conflict.height, _conflict.hasBase) = (first, second, height, false);
        // Height zero is below no checkpoint, and a new vault has none that could be shown.
        if (_latest.height < height || _latest.history == 0) _setBase(true, _latest.history, _latest.exitRoot);
        emit Frozen(height, first, second);
    }

    /// Before an escape begins, the first evidence and its settlement cancel it: it would pay by another exit root.
    function _cancelEscape(uint64 height) private {
        if (escapeFrom() == 0) return;
        _requireNoEscape();
        (escapeTriggeredAt, _latest.escapeFrom) = (0, 0);
        emit EscapeCancelled(height);
    }

    function _setBase(bool known, bytes32 history, bytes32 exitRoot) private {
        (_conflict.hasBase, _conflict.baseHistory, _conflict.baseExitRoot) = (known, history, exitRoot);
    }

    /// Check a header's certificate by the set that it names; its height and hash.
    function _certified(bytes calldata words, Certificate calldata certificate)
        private
        view
        returns (uint64 height, bytes32 value)
    {
        Finality.Header memory header = Finality.read(words);
        if (header.network != network) revert WrongNetwork(header.network, network);
        (height, value) = (header.height, sha256(words));
        _requireNotRejected(header, value);
        _requireQuorum(_trustedSet(header.validatorsHash, height), header.validatorsHash, height, value, certificate);
    }

    /// The keys of a set that holds for this height, and that is trusted, or was within the trusting period. A freeze stops
    /// that clock, so that it costs nobody the time to show a lower conflict.
    function _trustedSet(bytes32 hash, uint64 height) private view returns (address) {
        uint256 time = _conflict.since == 0 ? block.timestamp : _conflict.since;
        bool isCurrent = hash == validatorsHash;
        if (isCurrent && height >= _validatorsFrom) {
            if (time > uint256(_latest.trustedAt) + trustingPeriod) revert TrustExpired(_latest.trustedAt);
            return validatorsCode;
        }
        FormerSet[] storage former = _formerSets[_branch][hash];
        uint256 count = former.length;
        if (count == 0 && !isCurrent) revert WrongValidatorSet(hash, validatorsHash);
        uint256 index = _firstThatReaches(former, height);
        if (index == count || height < former[index].first) revert WrongHeight(hash, height);
        FormerSet memory found = former[index];
        if (time > found.trustedUntil) revert TrustExpired(found.trustedUntil - trustingPeriod);
        return found.code;
    }

    /// The first whose last height is not below this one. Halving: a branch of liars may rotate back and forth without end.
    function _firstThatReaches(FormerSet[] storage former, uint64 height) private view returns (uint256 index) {
        uint256 end = former.length;
        while (index < end) {
            uint256 middle = (index + end) / 2;
            if (former[middle].last < height) index = middle + 1;
            else end = middle;
        }
    }

    /// A history with the header of these words and later ones.
    function _history(bytes32 history, bytes calldata words, bytes32[] calldata later) private pure returns (bytes32) {
        history = _extended(history, sha256(words));
        for (uint256 i = 0; i < later.length; i++) {
            history = _extended(history, later[i]);
        }
        return history;
    }

    function _requireHistory(bytes32 history, bytes32 known) private pure {
        if (history != known) revert WrongHistory(history, known);
    }
}
