// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Finality} from "./Finality.sol";
import {VaultState} from "./VaultState.sol";

/// What the vault believes of the network: headers that a quorum of the trusted validator set certified, and the next set.
abstract contract Checkpoints is VaultState {
    /// Submit a header that more than two thirds of the trusted set's power precommitted. Anybody may.
    function checkpoint(bytes calldata words, Certificate calldata certificate) external whenOpen {
        Finality.Header memory header = Finality.read(words);
        bytes32 trusted = validatorsHash;
        if (header.network != network) revert WrongNetwork(header.network, network);
        if (header.validatorsHash != trusted) revert WrongValidatorSet(header.validatorsHash, trusted);
        // All of one slot, which is read once.
        (uint40 height, uint40 count, uint40 time) = (_latest.height, _latest.withdrawalsCount, _latest.trustedAt);
        if (header.height <= height) revert NotNewer(header.height, height);
        if (header.withdrawalsCount < count) revert WithdrawalsLost(header.withdrawalsCount, count);
        if (block.timestamp > uint256(time) + trustingPeriod) revert TrustExpired(time);
        bytes32 value = sha256(words);
        if (_branch != 0) _requireNotRejected(header, value);
        _requireQuorum(validatorsCode, trusted, header.height, value, certificate);
        _accept(header, value);
    }

    /// Submit the keys of the set that a checkpoint rotated to. Anybody may: the hash identifies them.
    function installValidators(bytes calldata validators) external {
        bytes32 stated = sha256(validators);
        if (stated != validatorsHash || validatorsCode != address(0)) revert WrongValidatorSet(stated, validatorsHash);
        validatorsCode = verifier.store(validators);
    }

    /// The certified withdrawals root with this number; zero when it is not among the last `ROOTS`.
    function certifiedRoot(uint64 number) public view returns (bytes32) {
        return _certifiedRoot(number, _latest.rootNumber);
    }

    function _certifiedRoot(uint64 number, uint64 newest) private view returns (bytes32) {
        if (number == 0 || number > newest) return 0;
        unchecked {
            return newest - number < ROOTS ? _roots[number % ROOTS] : bytes32(0);
        }
    }

    /// Require that a root is that with this number, of which `newest` is the last one's.
    function _requireRoot(bytes32 found, uint64 number, uint64 newest) internal view {
        bytes32 trusted = _certifiedRoot(number, newest);
        if (trusted == 0) revert UnknownRoot(number, newest);
        if (found != trusted) revert BadProof(found, trusted);
    }

    /// Require that more than two thirds of the power of a set, whose keys are in `set`, precommitted header `value`.
    function _requireQuorum(
        address set,
        bytes32 hash,
        uint64 height,
        bytes32 value,
        Certificate calldata certificate
    ) internal view {
        if (set == address(0)) revert ValidatorsNotInstalled(hash);
        bytes32 digest = Finality.precommitDigest(network, hash, height, certificate.round, value);
        (uint256 signed, uint256 total) = verifier.signedPower(digest, set, certificate.signers, certificate.aggregate);
        if (signed * 3 <= total * 2) revert UnderQuorum(signed, total);
    }

    function _requireNotRejected(Finality.Header memory header, bytes32 value) internal view {
        if (_isRejected(header, value)) revert HeaderRejected(value);
    }

    /// Whether a header is of a branch that lost a conflict, as far as the vault can know.
    function _isRejected(Finality.Header memory header, bytes32 value) internal view returns (bool) {
        uint32 era = _era;
        bytes32 chosen = _chosen[era][header.height];
        if (chosen != 0) return value != chosen;
        bytes32 parent = header.height == 0 ? bytes32(0) : _chosen[era][header.height - 1];
        return (parent != 0 && header.parent != parent) || _rejected[era][header.parent] || _rejected[era][value];
    }

    /// Take a header that was checked as the newest checkpoint, and follow the set that it names.
    function _accept(Finality.Header memory header, bytes32 value) internal {
        if (header.withdrawalsRoot == 0 || header.stateRoot == 0 || header.nextValidatorsHash == 0) revert ZeroRoot();
        (uint40 number, uint40 paused, uint40 escape) = (_latest.rootNumber, _latest.pausedUntil, _latest.escapeFrom);
        uint40 trustedTime = _trustedAt(header.timeMs / 1000);
        if (header.withdrawalsRoot != _latest.withdrawalsRoot) _roots[++number % ROOTS] = header.withdrawalsRoot;
        // The network is back. A header from before the trigger only makes the snapshot newer.
        bool isBack = escape != 0 && header.timeMs / 1000 > escapeTriggeredAt;
        _latest = Checkpoint({
            height: uint40(header.height),
            withdrawalsCount: uint40(header.withdrawalsCount),
            trustedAt: trustedTime,
            rootNumber: number,
            pausedUntil: paused,
            escapeFrom: isBack ? 0 : escape,
            withdrawalsRoot: header.withdrawalsRoot,
            exitRoot: header.exitRoot,
            history: _extended(_latest.history, value)
        });
        emit Checkpointed(header.height, value, header.withdrawalsCount);
        if (isBack) {
            escapeTriggeredAt = 0;
            emit EscapeCancelled(header.height);
        }
        bytes32 trusted = validatorsHash;
        if (header.nextValidatorsHash != trusted) {
            FormerSet storage former = _formerSets[_branch][trusted].push();
            (former.code, former.trustedUntil) = (validatorsCode, trustedTime + trustingPeriod);
            (former.first, former.last) = (_validatorsFrom, header.height);
            _validatorsFrom = header.height + 1;
            validatorsHash = header.nextValidatorsHash;
            validatorsCode = address(0);
            emit ValidatorsRotated(header.height, header.nextValidatorsHash);
        }
    }

    /// From when on the escape from a conflict may begin; zero while there is none.
    function _conflictEscapeFrom() internal view returns (uint256) {
        return _conflict.since == 0 ? 0 : uint256(_conflict.since) + trustingPeriod / 2;
    }

    /// The exit root of the vault's newest checkpoint below the conflict; zero if there is none.
    function _exitRootBelowConflict() internal view returns (bytes32) {
        if (!_conflict.hasBase) revert BaseUnknown(_conflict.height);
        return _conflict.baseExitRoot;
    }

    /// A history with one more header.
    function _extended(bytes32 history, bytes32 value) internal pure returns (bytes32) {
        return keccak256(abi.encode(history, value));
    }

    function _trustedAt(uint64 time) internal view returns (uint40) {
        uint40 capped = time > block.timestamp ? uint40(block.timestamp) : uint40(time);
        return capped > _latest.trustedAt ? capped : _latest.trustedAt;
    }
}
