// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Finality} from "./Finality.sol";
import {ICertificateVerifier} from "./ICertificateVerifier.sol";
import {ValidatorSetCode} from "./ValidatorSetCode.sol";
import {Withdrawal, WithdrawalsTree} from "./WithdrawalsTree.sol";

/// Holds collateral of one clearing network on one chain. It takes deposits, learns the network's state from headers
/// that a quorum of its validators certified, and pays the withdrawals under the newest certified root.
///
/// Rule: what it owes (`deposited - withdrawn`, per token) never exceeds its balance, and no single key moves any
/// of it. There is no owner, no upgrade and no way to call an arbitrary address.
contract Vault is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Settings {
        bytes32 network;
        ICertificateVerifier verifier;
        address guardian;
        /// Seconds after which the current set is no longer trusted; shorter than the network's unbonding.
        uint64 trustingPeriod;
        /// Seconds that the guardian may lock the vault for, once between two checkpoints; at most half the trusting
        /// period, of which a pause always leaves as much again.
        uint64 pausePeriod;
    }

    /// An accepted token, and its base units in one clearing unit.
    struct Asset {
        IERC20 token;
        uint256 unit;
    }

    /// The consensus certificate: round, bitmap of signers, aggregate signature as a 256-byte point of EIP-2537.
    struct Certificate {
        uint32 round;
        uint256 signers;
        bytes aggregate;
    }

    /// The newest certified header.
    struct Checkpoint {
        uint64 height;
        uint64 withdrawalsCount;
        /// Seconds: the header's own time, never after the block that delivered it and never decreasing.
        uint64 trustedAt;
        /// How many different withdrawals roots were certified so far: the number of `withdrawalsRoot`.
        uint64 rootNumber;
        bytes32 withdrawalsRoot;
        bytes32 exitRoot;
        bytes32 stateRoot;
    }

    /// How many withdrawals roots the vault pays by.
    uint256 public constant ROOTS = 64;
    /// Gas that each payment of a batch may use: a token that burns more fails alone.
    uint256 public constant PAYMENT_GAS = 150_000;

    bytes32 public immutable network;
    ICertificateVerifier public immutable verifier;
    address public immutable guardian;
    uint64 public immutable trustingPeriod;
    uint64 public immutable pausePeriod;

    Checkpoint public latest;
    /// Hash of the set that the next checkpoint must be certified by.
    bytes32 public validatorsHash;
    /// Its keys; zero between a rotation and `installValidators`.
    address public validatorsCode;
    /// Height of the checkpoint at which the guardian last paused, plus one.
    uint64 public pausedAtHeight;
    uint64 public pausedUntil;

    /// Deposits are numbered from 1 without gaps.
    uint64 public depositNonce;
    /// keccak(previous, nonce, token, account, amount, from): one storage proof proves that no deposit is missing.
    bytes32 public depositsHash;

    /// Base units in one clearing unit; zero for a token that is not accepted.
    mapping(address token => uint256) public unitOf;
    /// Base units credited to accounts since deployment. Storage proofs of custody read this and the next by their slots, 9
    /// and 10: they stay there.
    mapping(address token => uint256) public deposited;
    /// Base units paid out since deployment.
    mapping(address token => uint256) public withdrawn;
    /// Base units that fee-taking tokens left beyond a whole clearing unit; not owed to any account.
    mapping(address token => uint256) public dust;
    mapping(uint256 nonceWord => uint256) private _paid;
    /// The last certified withdrawals roots; root `n` is at `n % ROOTS`. The tree only grows, so that what an older root
    /// proves stays true: a proof is good until `ROOTS` newer roots are certified.
    bytes32[ROOTS] private _roots;

    event Deposited(
        uint64 indexed nonce,
        address indexed token,
        uint64 indexed account,
        uint256 amount,
        address from,
        bytes32 depositsHash
    );
    event Checkpointed(uint64 indexed height, bytes32 indexed headerHash, uint64 withdrawalsCount);
    event ValidatorsRotated(uint64 indexed height, bytes32 indexed validatorsHash);
    event Withdrawn(uint64 indexed nonce, address indexed token, address indexed to, uint256 amount);
    /// A withdrawal of a batch that could not be paid: it stays as it was. `withdraw` tells the reason.
    event PaymentFailed(uint64 indexed nonce);
    event Paused(uint64 until);

    error ZeroSetting();
    error NoCode(address token);
    error TokenListedTwice(address token);
    error TokenNotListed(address token);
    /// The nearest accepted amounts; zero is none.
    error NotAMultiple(uint256 amount, uint256 lower, uint256 upper);
    error NetworkSilent(uint256 until, uint256 time);
    error NothingReceived(uint256 amount, uint256 received);
    error WrongNetwork(bytes32 stated, bytes32 trusted);
    error WrongValidatorSet(bytes32 stated, bytes32 trusted);
    error ValidatorsNotInstalled(bytes32 trusted);
    error NotNewer(uint64 height, uint64 latestHeight);
    error ZeroRoot();
    error WithdrawalsLost(uint64 count, uint64 latestCount);
    error UnderQuorum(uint256 signed, uint256 total);
    error TrustExpired(uint256 since);
    error UnknownWithdrawal(uint64 nonce, uint64 count);
    error AlreadyPaid(uint64 nonce);
    error Expired(uint64 notAfter, uint256 time);
    error UnknownRoot(uint64 number, uint64 newest);
    error BadProof(bytes32 root, bytes32 trusted);
    error NothingPaid();
    error TooLittleGas(uint256 gas, uint256 needed);
    error NotTheVault(address caller);
    /// The token took another amount out of the vault than it was told to transfer.
    error WrongDebit(address token, uint256 amount, uint256 debited);
    error BeyondHoldings(uint256 amount, uint256 accounted);
    error IsPaused(uint64 until);
    error NotGuardian(address caller);
    error PausedAlready(uint64 height);
    error PauseTooLong(uint256 pausePeriod, uint256 trustingPeriod);
    error PauseTooSoon(uint256 earliest, uint256 time);
    error PauseTooLate(uint256 latestEnd, uint256 time);

    modifier whenNotPaused() {
        if (block.timestamp < pausedUntil) revert IsPaused(pausedUntil);
        _;
    }

    constructor(Settings memory settings, bytes memory validators, Asset[] memory assets) {
        if (settings.network == 0 || settings.guardian == address(0) || settings.trustingPeriod == 0) revert ZeroSetting();
        if (uint256(settings.pausePeriod) * 2 > settings.trustingPeriod) {
            revert PauseTooLong(settings.pausePeriod, settings.trustingPeriod);
        }
        if (address(settings.verifier).code.length == 0) revert NoCode(address(settings.verifier));
        network = settings.network;
        verifier = settings.verifier;
        guardian = settings.guardian;
        trustingPeriod = settings.trustingPeriod;
        pausePeriod = settings.pausePeriod;
        validatorsHash = sha256(validators);
        validatorsCode = ValidatorSetCode.store(validators);
        latest.trustedAt = uint64(block.timestamp);
        for (uint256 i = 0; i < assets.length; i++) {
            address token = address(assets[i].token);
            // A transfer from an address without code succeeds and moves nothing.
            if (token.code.length == 0) revert NoCode(token);
            if (assets[i].unit == 0) revert ZeroSetting();
            if (unitOf[token] != 0) revert TokenListedTwice(token);
            unitOf[token] = assets[i].unit;
        }
    }

    /// Pay `amount` base units of `token` in for ledger account `account`. It credits the amount received, in whole
    /// clearing units. Refused once half the trusting period has passed without a checkpoint: a network that is silent for
    /// so long may never come back.
    function deposit(address token, uint256 amount, uint64 account) external nonReentrant whenNotPaused {
        uint256 until = uint256(latest.trustedAt) + trustingPeriod / 2;
        if (block.timestamp > until) revert NetworkSilent(until, block.timestamp);
        uint256 unit = unitOf[token];
        if (unit == 0) revert TokenNotListed(token);
        uint256 excess = amount % unit;
        if (amount == 0 || excess != 0) revert NotAMultiple(amount, amount - excess, _next(amount - excess, unit));
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        uint256 credited = received - received % unit;
        if (credited == 0) revert NothingReceived(amount, received);
        if (received != credited) dust[token] += received - credited;
        deposited[token] += credited;
        uint64 nonce = ++depositNonce;
        bytes32 rolled = keccak256(abi.encode(depositsHash, nonce, token, account, credited, msg.sender));
        depositsHash = rolled;
        emit Deposited(nonce, token, account, credited, msg.sender, rolled);
    }

    /// Submit a header that more than two thirds of the trusted set's power precommitted. Anybody may.
    function checkpoint(bytes calldata words, Certificate calldata certificate) external whenNotPaused {
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
        emit Checkpointed(header.height, value, header.withdrawalsCount);
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

    /// Pay a withdrawal. Its siblings, from the leaf up, lead to certified root number `root`; roots of empty subtrees at
    /// the end may be left out. Anybody may call this; the money always goes to the leaf's address.
    function withdraw(Withdrawal calldata withdrawal, uint64 root, bytes32[] calldata siblings)
        external
        nonReentrant
        whenNotPaused
    {
        uint64 nonce = withdrawal.nonce;
        if (nonce >= latest.withdrawalsCount) revert UnknownWithdrawal(nonce, latest.withdrawalsCount);
        bytes32 leaf = WithdrawalsTree.leaf(block.chainid, address(this), withdrawal);
        _requireRoot(WithdrawalsTree.rootFrom(leaf, nonce, siblings), root);
        _pay(withdrawal);
    }

    /// Pay several withdrawals, ordered by nonce, under one proof: the siblings that they do not give each other, level
    /// by level from the leaves up. What was paid before is passed over. A payment that fails leaves its withdrawal as it
    /// was, and the others are paid; the call reverts when none is. Anybody may call this.
    function withdrawBatch(Withdrawal[] calldata withdrawals, uint64 root, bytes32[] calldata siblings)
        external
        nonReentrant
        whenNotPaused
    {
        _requireRoot(WithdrawalsTree.rootFromMany(block.chainid, address(this), withdrawals, siblings), root);
        uint64 last = withdrawals[withdrawals.length - 1].nonce;
        if (last >= latest.withdrawalsCount) revert UnknownWithdrawal(last, latest.withdrawalsCount);
        uint256 paid;
        for (uint256 i = 0; i < withdrawals.length; i++) {
            Withdrawal calldata withdrawal = withdrawals[i];
            if (isPaid(withdrawal.nonce)) continue;
            // A call gets 63 of 64 parts at most. Without this, whoever sends the batch could starve a payment.
            if (gasleft() * 63 / 64 < PAYMENT_GAS) revert TooLittleGas(gasleft(), PAYMENT_GAS * 64 / 63);
            try this.payOfBatch{gas: PAYMENT_GAS}(withdrawal) {
                paid++;
            } catch {
                // Without the error's text: a token could make it too long to copy.
                emit PaymentFailed(withdrawal.nonce);
            }
        }
        if (paid == 0) revert NothingPaid();
    }

    /// One payment of a batch in a call of its own, so that it can fail alone. Only the vault calls this.
    function payOfBatch(Withdrawal calldata withdrawal) external {
        if (msg.sender != address(this)) revert NotTheVault(msg.sender);
        _pay(withdrawal);
    }

    /// The certified withdrawals root with this number; zero when it is not among the last `ROOTS`.
    function certifiedRoot(uint64 number) public view returns (bytes32) {
        uint64 newest = latest.rootNumber;
        return number != 0 && number <= newest && newest - number < ROOTS ? _roots[number % ROOTS] : bytes32(0);
    }

    /// Whether withdrawal `nonce` was paid by this vault.
    function isPaid(uint64 nonce) public view returns (bool) {
        return (_paid[nonce >> 8] >> (nonce & 255)) & 1 == 1;
    }

    /// Lock the vault for the pause period. A guardian cannot prolong it: the next pause needs a newer checkpoint, and the
    /// vault must have been open for as long as it was locked, because a guardian may submit the checkpoint itself in the
    /// first open block. Nor can a pause outlast the trust in the current set, after which no checkpoint could ever open the
    /// vault again: it ends a whole pause period before.
    function pause() external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
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

    function _requireRoot(bytes32 found, uint64 number) private view {
        bytes32 trusted = certifiedRoot(number);
        if (trusted == 0) revert UnknownRoot(number, latest.rootNumber);
        if (found != trusted) revert BadProof(found, trusted);
    }

    /// Pay a proven withdrawal. Effects come before the transfer; the token must take exactly `amount` out of the vault,
    /// so that no token makes the vault owe what it does not have.
    function _pay(Withdrawal calldata withdrawal) private {
        (uint64 nonce, address token, uint256 amount) = (withdrawal.nonce, withdrawal.token, withdrawal.amount);
        if (isPaid(nonce)) revert AlreadyPaid(nonce);
        if (block.timestamp > withdrawal.notAfter) revert Expired(withdrawal.notAfter, block.timestamp);
        if (unitOf[token] == 0) revert TokenNotListed(token);
        uint256 accounted = deposited[token] - withdrawn[token];
        if (amount > accounted) revert BeyondHoldings(amount, accounted);
        _paid[nonce >> 8] |= uint256(1) << (nonce & 255);
        withdrawn[token] += amount;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(withdrawal.to, amount);
        uint256 left = IERC20(token).balanceOf(address(this));
        if (left > before || before - left != amount) {
            revert WrongDebit(token, amount, left > before ? 0 : before - left);
        }
        emit Withdrawn(nonce, token, withdrawal.to, amount);
    }

    function _requireQuorum(bytes32 digest, Certificate calldata certificate) private view {
        address set = validatorsCode;
        if (set == address(0)) revert ValidatorsNotInstalled(validatorsHash);
        (uint256 signed, uint256 total) = verifier.signedPower(digest, set, certificate.signers, certificate.aggregate);
        if (signed * 3 <= total * 2) revert UnderQuorum(signed, total);
    }

    function _trustedAt(uint64 time) private view returns (uint64) {
        uint64 capped = time > block.timestamp ? uint64(block.timestamp) : time;
        return capped > latest.trustedAt ? capped : latest.trustedAt;
    }

    /// The multiple above, or zero where there is none.
    function _next(uint256 multiple, uint256 unit) private pure returns (uint256) {
        unchecked {
            uint256 next = multiple + unit;
            return next > multiple ? next : 0;
        }
    }
}
