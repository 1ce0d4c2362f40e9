// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Finality} from "./Finality.sol";
import {ValidatorSetCode} from "./ValidatorSetCode.sol";
import {VaultState} from "./VaultState.sol";

/// What the vault believes of the network: headers that a quorum of the trusted validator set certified, and the next set.
abstract contract Checkpoints is VaultState {
    /// Submit a header that more than two thirds of the trusted set's power precommitted. Anybody may.
    function checkpoint(bytes calldata words, Certificate calldata certificate) external whenOpen {
        Finality.Header memory header = Finality.read(words);
        bytes32 trusted = validatorsHash;
        if (header.network != network) revert WrongNetwork(header.network, network);
        if (header.validatorsHash != trusted) revert WrongValidatorSet(header.validatorsHash, trusted);
        if (header.height <= latest.height) revert NotNewer(header.height, latest.height);
        if (header.withdrawalsRoot == 0 || header.stateRoot == 0 || header.nextValidatorsHash == 0) revert ZeroRoot();
        if (header.withdrawalsCount < latest.withdrawalsCount) {
            revert WithdrawalsLost(header.withdrawalsCount, latest.withdrawalsCount);
        }
        if (block.timestamp > uint256(latest.trustedAt) + trustingPeriod) revert TrustExpired(latest.trustedAt);
        bytes32 value = sha256(words);
        _requireQuorum(Finality.precommitDigest(network, trusted, header.height, certificate.round, value), certificate);
        uint64 number = latest.rootNumber;
        if (header.withdrawalsRoot != latest.withdrawalsRoot) _roots[++number % ROOTS] = header.withdrawalsRoot;
        latest = Checkpoint({
            height: header.height,
            withdrawalsCount: header.withdrawalsCount,
            trustedAt: _trustedAt(header.timeMs / 1000),
            rootNumber: number,
            withdrawalsRoot: header.withdrawalsRoot,
            exitRoot: header.exitRoot,
            stateRoot: header.stateRoot
        });
        silentFrom = latest.trustedAt + trustingPeriod / 2;
        emit Checkpointed(header.height, value, header.withdrawalsCount);
        if (escapeFrom != 0 && header.timeMs / 1000 > escapeTriggeredAt) {
            // The network is back. A header from before the trigger only makes the snapshot newer.
            (escapeTriggeredAt, escapeFrom) = (0, 0);
            emit EscapeCancelled(header.height);
        }
        if (header.nextValidatorsHash != trusted) {
            validatorsHash = header.nextValidatorsHash;
            validatorsCode = address(0);
            emit ValidatorsRotated(header.height, header.nextValidatorsHash);
        }
    }

    /// Submit the keys of the set that a checkpoint rotated to. Anybody may: the hash identifies them.
    function installValidators(bytes calldata validators) external {
        bytes32 stated = sha256(validators);
        if (stated != validatorsHash || validatorsCode != address(0)) revert WrongValidatorSet(stated, validatorsHash);
        validatorsCode = ValidatorSetCode.store(validators);
    }

    /// The certified withdrawals root with this number; zero when it is not among the last `ROOTS`.
    function certifiedRoot(uint64 number) public view returns (bytes32) {
        uint64 newest = latest.rootNumber;
        return number != 0 && number <= newest && newest - number < ROOTS ? _roots[number % ROOTS] : bytes32(0);
    }

    function _requireQuorum(bytes32 digest, Certificate calldata certificate) internal view {
        address set = validatorsCode;
        if (set == address(0)) revert ValidatorsNotInstalled(validatorsHash);
        (uint256 signed, uint256 total) = verifier.signedPower(digest, set, certificate.signers, certificate.aggregate);
        if (signed * 3 <= total * 2) revert UnderQuorum(signed, total);
    }

    function _trustedAt(uint64 time) internal view returns (uint64) {
        uint64 capped = time > block.timestamp ? uint64(block.timestamp) : time;
        return capped > latest.trustedAt ? capped : latest.trustedAt;
    }
}
