// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ICertificateVerifier} from "./ICertificateVerifier.sol";
import {IVaultTrust} from "./IVaultTrust.sol";
import {LinearProof} from "./LinearProof.sol";
import {MerkleTree} from "./MerkleTree.sol";

/// Tells other contracts that one account of a clearing network was solvent in a certified epoch, without its holdings.
///
/// Rule: an epoch's keys are accepted once, if more than two thirds of the power that a vault trusts signed them with the time of the
/// header that certifies the epoch. While the vault is paused, and above all while conflicting certificates freeze it, none are.
/// A week after that time nothing is shown under them any more. They carry [U], [V] and c for the y that the leaves' root gives;
/// anybody can derive them again from the public statement, but this contract cannot: keys for another y, signed by a quorum,
/// would let it accept forged digits.
///
/// A proof is a bearer's: anybody who copies it can send it. So the account's presenter signs for whom it is, and for what purpose:
/// the caller here, which is the contract that asks. What the purpose means, the asking contract decides.
contract SolvencyVerifier {
    struct Certificate {
        uint256 signers;
        bytes aggregate;
    }

    /// By the key behind the leaf's presenter: EIP-2098, on `presentationDigest`.
    struct Presentation {
        bytes32 purpose;
        bytes32 r;
        bytes32 vs;
    }

    /// SHA-256 of "crossclear/onchain/epoch-keys/v2".
    bytes32 internal constant KEYS_TAG = 0x9abbc1253318549b5cf02ae74bf1832b5b2cf71281eee6de11b583ed1407b3dd;
    /// SHA-256 of "crossclear/onchain/certified-keys/v2".
    bytes32 internal constant CERTIFIED_TAG = 0x1948b5fdeeb40156ab46783ce200521e4e4c3d3f1bac2022a4aa80fd65761e4d;
    /// SHA-256 of "crossclear/onchain/presentation/v1".
    bytes32 internal constant PRESENTATION_TAG = 0xbde819cf433d15a2f9f008c488a8f5ec1ceebb684d1d11ec76dc2b738757c19e;
    uint256 internal constant COLUMNS_MAX = 16;
    uint256 internal constant ACCOUNTS_MAX = 2 ** 20;
    /// How long keys serve, from the time of their header.
    uint256 public constant KEYS_LIFETIME = 7 days;
    /// How far a header's time may be ahead of this chain's.
    uint256 internal constant AHEAD_MAX = 5 minutes;

    /// Whose network, validator set and signature scheme this contract follows.
    IVaultTrust public immutable vault;
    bytes32 public immutable network;

    /// Hash of an epoch's keys; zero before they are certified.
    mapping(uint256 epoch => bytes32) public keysOf;
    /// Time of the header that certifies the epoch, in seconds.
    mapping(uint256 epoch => uint256) public timeOf;

    event Certified(uint64 indexed epoch, bytes32 indexed keysHash, bytes32 commitmentsRoot, uint64 time);
    /// A shortfall of zero means that every rule of the statement is met without it.
    event Solvent(
        uint64 indexed epoch, uint64 indexed account, address indexed caller, uint64 shortfall, bytes32 purpose
    );

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
    error VaultPaused(uint256 until);
    error KeysExpired(uint256 time);
    error FromTheFuture(uint256 time);
    error NotForCaller(address caller, bytes32 purpose);
    error ValidatorsNotInstalled(bytes32 trusted);
    error UnderQuorum(uint256 signed, uint256 total);
    error NotInEpoch(bytes32 root, bytes32 certified);
    error ProofRefused(uint256 account);

    constructor(IVaultTrust vault_) {
        if (address(vault_).code.length == 0) revert NoCode(address(vault_));
        vault = vault_;
        network = vault_.network();
    }

    /// Submit an epoch's keys and the time of its header with the quorum's signature over both. Anybody may.
    function certify(bytes calldata words, uint64 time, Certificate calldata certificate) external {
        _checkKeys(words);
        if (bytes32(words[32:64]) != network) revert WrongNetwork(bytes32(words[32:64]), network);
        uint256 epoch = _word(words, 64);
        if (keysOf[epoch] != 0) revert CertifiedAlready(epoch, keysOf[epoch]);
        bytes32 keysHash = sha256(words);
        _checkTime(time);
        if (time > block.timestamp + AHEAD_MAX) revert FromTheFuture(time);
        uint40 pausedUntil = vault.pausedUntil();
        if (pausedUntil == type(uint40).max) revert VaultFrozen();
        if (block.timestamp < pausedUntil) revert VaultPaused(pausedUntil);
        (,, uint64 trustedAt,,,,) = vault.latest();
        if (block.timestamp > uint256(trustedAt) + vault.trustingPeriod()) revert TrustExpired(trustedAt);
        bytes32 validators = vault.validatorsHash();
        address set = vault.validatorsCode();
        if (set == address(0)) revert ValidatorsNotInstalled(validators);
        bytes32 digest = sha256(abi.encode(CERTIFIED_TAG, network, validators, keysHash, time));
        (uint256 signed, uint256 total) =
            vault.verifier().signedPower(digest, set, certificate.signers, certificate.aggregate);
        if (signed * 3 <= total * 2) revert UnderQuorum(signed, total);
        keysOf[epoch] = keysHash;
        timeOf[epoch] = time;
        emit Certified(uint64(epoch), keysHash, bytes32(words[128:160]), time);
    }

    /// The account and shortfall of a leaf of a certified epoch, and the time of its header, if its proof holds and was made for
    /// the caller and this purpose; reverts else. An asking contract must demand a purpose that names whom it serves, such as a
    /// hash of its user and of the loan: another user's calldata is then of no use there.
    function check(
        bytes calldata words,
        bytes calldata leaf,
        uint256 index,
        bytes32[] calldata path,
        bytes calldata proof,
        Presentation calldata presentation
    ) public view returns (uint64 epoch, uint64 account, uint64 shortfall, uint64 time) {
        if (words.length < LinearProof.KEYS_BYTES) revert MalformedKeys(words.length);
        bytes32 keysHash = sha256(words);
        epoch = uint64(_word(words, 64));
        if (keysHash != keysOf[epoch]) revert NotCertified(epoch, keysHash, keysOf[epoch]);
        time = uint64(timeOf[epoch]);
        _checkTime(time);
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
        _checkPresenter(leaf, keysHash, leafHash, presentation);
        if (!LinearProof.holds(words, leaf, proof, columns, keysHash, leafHash)) revert ProofRefused(account);
    }

    /// `check`, with its result in an event, which names the caller.
    function show(
        bytes calldata words,
        bytes calldata leaf,
        uint256 index,
        bytes32[] calldata path,
        bytes calldata proof,
        Presentation calldata presentation
    ) external {
        (uint64 epoch, uint64 account, uint64 shortfall,) = check(words, leaf, index, path, proof, presentation);
        emit Solvent(epoch, account, msg.sender, shortfall, presentation.purpose);
    }

    /// What a leaf's presenter signs, so that its proof serves this contract on this chain, this caller and this purpose.
    function presentationDigest(address caller, bytes32 purpose, bytes32 keysHash, bytes32 leafHash)
        public
        view
        returns (bytes32)
    {
        return sha256(abi.encode(PRESENTATION_TAG, block.chainid, address(this), caller, purpose, keysHash, leafHash));
    }

    function _checkPresenter(
        bytes calldata leaf,
        bytes32 keysHash,
        bytes32 leafHash,
        Presentation calldata presentation
    ) private view {
        bytes32 digest = presentationDigest(msg.sender, presentation.purpose, keysHash, leafHash);
        uint256 vs = uint256(presentation.vs);
        address signer = ecrecover(digest, uint8(27 + (vs >> 255)), presentation.r, bytes32(vs << 1 >> 1));
        if (signer == address(0) || uint256(uint160(signer)) != _word(leaf, LinearProof.LEAF_PRESENTER)) {
            revert NotForCaller(msg.sender, presentation.purpose);
        }
    }

    function _checkTime(uint64 time) private view {
        if (block.timestamp > uint256(time) + KEYS_LIFETIME) revert KeysExpired(time);
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
