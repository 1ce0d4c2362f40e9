// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ICertificateVerifier} from "./ICertificateVerifier.sol";
import {IVaultTrust} from "./IVaultTrust.sol";
import {LinearProof} from "./LinearProof.sol";
import {MerkleTree} from "./MerkleTree.sol";

/// Tells other contracts that one account of a clearing network was solvent in a certified epoch, without its holdings.
///
/// Rule: an epoch's keys are accepted if more than two thirds of the power that a vault trusts signed them, once and for
/// good. While conflicting certificates freeze the vault, it trusts nobody. They carry [U], [V] and c for the y that the leaves' root gives; anybody can derive them again from the public
/// statement, but this contract cannot: keys for another y, signed by a quorum, would let it accept forged digits.
contract SolvencyVerifier {
    struct Certificate {
        uint256 signers;
        bytes aggregate;
    }

    /// SHA-256 of "crossclear/onchain/epoch-keys/v1".
    bytes32 internal constant KEYS_TAG = 0x7ad946f5b8735e5788f09707f963b21cf610daa59f6a8edfa6a6d6e65166ff02;
    /// SHA-256 of "crossclear/onchain/certified-keys/v1".
    bytes32 internal constant CERTIFIED_TAG = 0x35fe037e345f5214398908ed96f26f1ae9d0838458764c4525f6bf1b28517bcd;
    uint256 internal constant COLUMNS_MAX = 16;
    uint256 internal constant ACCOUNTS_MAX = 2 ** 20;

    /// Whose network, validator set and signature scheme this contract follows.
    IVaultTrust public immutable vault;
    bytes32 public immutable network;

    /// Hash of an epoch's keys; zero before they are certified.
    mapping(uint256 epoch => bytes32) public keysOf;

    event Certified(uint64 indexed epoch, bytes32 indexed keysHash, bytes32 commitmentsRoot);
    /// A shortfall of zero means that every rule of the statement is met without it.
    event Solvent(uint64 indexed epoch, uint64 indexed account, uint64 shortfall);

    error NoCode(address vault);
    error MalformedKeys(uint256 length);
    error MalformedLeaf(uint256 length);
    error MalformedProof(uint256 length);
    error OutOfRange(uint256 value);
    error WrongNetwork(bytes32 stated, bytes32 trusted);
    error CertifiedAlready(uint256 epoch, bytes32 keysHash);
    error NotCertified(uint256 epoch, bytes32 shown, bytes32 certified);
    error TrustExpired(uint256 since);
    error VaultFrozen();
    error ValidatorsNotInstalled(bytes32 trusted);
    error UnderQuorum(uint256 signed, uint256 total);
    error NotInEpoch(bytes32 root, bytes32 certified);
    error ProofRefused(uint256 account);

    constructor(IVaultTrust vault_) {
        if (address(vault_).code.length == 0) revert NoCode(address(vault_));
        vault = vault_;
        network = vault_.network();
    }

    /// Submit an epoch's keys with the quorum's signature over them. Anybody may.
    function certify(bytes calldata words, Certificate calldata certificate) external {
        _checkKeys(words);
        if (bytes32(words[32:64]) != network) revert WrongNetwork(bytes32(words[32:64]), network);
        uint256 epoch = _word(words, 64);
        if (keysOf[epoch] != 0) revert CertifiedAlready(epoch, keysOf[epoch]);
        bytes32 keysHash = sha256(words);
        if (vault.pausedUntil() == type(uint40).max) revert VaultFrozen();
        (,, uint64 trustedAt,,,,) = vault.latest();
        if (block.timestamp > uint256(trustedAt) + vault.trustingPeriod()) revert TrustExpired(trustedAt);
        bytes32 validators = vault.validatorsHash();
        address set = vault.validatorsCode();
        if (set == address(0)) revert ValidatorsNotInstalled(validators);
        bytes32 digest = sha256(abi.encode(CERTIFIED_TAG, network, validators, keysHash));
        (uint256 signed, uint256 total) =
            vault.verifier().signedPower(digest, set, certificate.signers, certificate.aggregate);
        if (signed * 3 <= total * 2) revert UnderQuorum(signed, total);
        keysOf[epoch] = keysHash;
        emit Certified(uint64(epoch), keysHash, bytes32(words[128:160]));
    }

    /// The account and shortfall of a leaf of a certified epoch, if its proof holds; reverts else.
    function check(
        bytes calldata words,
        bytes calldata leaf,
        uint256 index,
        bytes32[] calldata path,
        bytes calldata proof
    ) public view returns (uint64 epoch, uint64 account, uint64 shortfall) {
        if (words.length < LinearProof.KEYS_BYTES) revert MalformedKeys(words.length);
        bytes32 keysHash = sha256(words);
        epoch = uint64(_word(words, 64));
        if (keysHash != keysOf[epoch]) revert NotCertified(epoch, keysHash, keysOf[epoch]);
        // Certified keys are well formed.
        uint256 columns = _word(words, 352);
        if (leaf.length != LinearProof.LEAF_BYTES + LinearProof.LEAF_COLUMN_BYTES * columns) {
            revert MalformedLeaf(leaf.length);
        }
        if (proof.length != LinearProof.PROOF_BYTES + LinearProof.PROOF_COLUMN_BYTES * columns) {
            revert MalformedProof(proof.length);
        }
        account = _number(leaf, 0);
        shortfall = _number(leaf, 32);
        bytes32 leafHash = MerkleTree.leaf(leaf);
        bytes32 root = MerkleTree.rootFrom(leafHash, index, _word(words, 256), path);
        if (root != bytes32(words[224:256])) revert NotInEpoch(root, bytes32(words[224:256]));
        if (!LinearProof.holds(words, leaf, proof, columns, keysHash, leafHash)) revert ProofRefused(account);
    }

    /// `check`, with its result in an event.
    function show(
        bytes calldata words,
        bytes calldata leaf,
        uint256 index,
        bytes32[] calldata path,
        bytes calldata proof
    ) external {
        (uint64 epoch, uint64 account, uint64 shortfall) = check(words, leaf, index, path, proof);
        emit Solvent(epoch, account, shortfall);
    }

    function _checkKeys(bytes calldata words) private pure {
        if (words.length < LinearProof.KEYS_BYTES || bytes32(words[0:32]) != KEYS_TAG) revert MalformedKeys(words.length);
        uint256 columns = _word(words, 352);
        if (
            columns == 0 || columns > COLUMNS_MAX
                || words.length != LinearProof.KEYS_BYTES + LinearProof.KEYS_COLUMN_BYTES * columns
        ) revert MalformedKeys(words.length);
        _number(words, 64);
        _number(words, 96);
        uint256 accounts = _word(words, 256);
        if (_word(words, 192) != LinearProof.SIZE) revert OutOfRange(_word(words, 192));
        if (accounts == 0 || accounts > ACCOUNTS_MAX) revert OutOfRange(accounts);
        uint256 constant_ = _word(words, LinearProof.KEYS_CONSTANT);
        uint256 sigma = _word(words, LinearProof.KEYS_SIGMA);
        if (constant_ >= LinearProof.P) revert OutOfRange(constant_);
        if (sigma >= LinearProof.P) revert OutOfRange(sigma);
    }

    function _word(bytes calldata source, uint256 offset) private pure returns (uint256) {
        return uint256(bytes32(source[offset:offset + 32]));
    }

    function _number(bytes calldata source, uint256 offset) private pure returns (uint64) {
        uint256 value = _word(source, offset);
        if (value >> 63 != 0) revert OutOfRange(value);
        return uint64(value);
    }
}
