// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICertificateVerifier} from "./ICertificateVerifier.sol";

/// What a vault is bound to and what it stores, with its events and errors. The rules stand in the contracts that
/// inherit it, one subject each; they declare no storage, so that the layout can be read here alone.
abstract contract VaultState is ReentrancyGuardTransient {
    struct Settings {
        bytes32 network;
        ICertificateVerifier verifier;
        address guardian;
        /// Seconds after which the current set is no longer trusted; shorter than the network's unbonding.
        uint64 trustingPeriod;
        /// Seconds that the guardian may lock the vault for, once between two checkpoints; at most half the trusting
        /// period, of which a pause always leaves as much again, and at least `1 / PAUSES` of it.
        uint64 pausePeriod;
        /// The listed token that native coin is paid in as; zero: native coin is not taken.
        address wrappedNative;
        /// Addresses of the keys that together correct the guardian and settle conflicts, ascending.
        address[] coldKeys;
        /// How many of them must sign: at least two, and more than half.
        uint256 coldThreshold;
    }

    /// An accepted token: base units in one clearing unit, and the least deposit in base units, at least one unit.
    struct Asset {
        IERC20 token;
        uint128 unit;
        uint128 minimum;
    }

    /// What is stored of an accepted token, in one slot. `unit` is zero for a token that is not accepted.
    struct AssetTerms {
        uint128 unit;
        uint128 minimum;
    }

    /// The consensus certificate: round, bitmap of signers, aggregate signature as a 256-byte point of EIP-2537.
    struct Certificate {
        uint32 round;
        uint256 signers;
        bytes aggregate;
    }

    /// The newest certified header, and in the slot of its numbers what nearly every call looks at, too.
    struct Checkpoint {
        uint40 height;
        uint40 withdrawalsCount;
        /// Seconds: the header's own time, never after the block that delivered it and never decreasing.
        uint40 trustedAt;
        /// How many different withdrawals roots were certified so far: the number of `withdrawalsRoot`.
        uint40 rootNumber;
        /// Seconds: when the pause under way, or the last one, ends.
        uint40 pausedUntil;
        /// Seconds: from when on the vault pays by the exit tree only; zero: no escape was triggered.
        uint40 escapeFrom;
        bytes32 withdrawalsRoot;
        bytes32 exitRoot;
        /// keccak(previous, header hash): commits to every header that the vault accepted, in order.
        bytes32 history;
    }

    /// The vault was locked from `start` on and opens, or opened, at `end`. Seconds.
    struct Pause {
        uint64 start;
        uint64 end;
    }

    /// A set that certified before the current one, and the heights that it holds for: from after the checkpoint that named
    /// it, up to the one that named the next.
    struct FormerSet {
        address code;
        uint64 trustedUntil;
        uint64 first;
        uint64 last;
    }

    /// Two certified headers of one height. `since` is zero while there is no conflict.
    struct Conflict {
        bytes32 first;
        bytes32 second;
        uint64 height;
        uint64 since;
        /// Whether the vault's newest checkpoint below the conflict is known.
        bool hasBase;
        /// The history up to it; before it is known, up to one above which all checkpoints are at or above the conflict.
        bytes32 baseHistory;
        /// Of that checkpoint, once it is known.
        bytes32 baseExitRoot;
    }

    /// Claims that share what there is in proportion. Base units, without what is known to have been paid before.
    struct Dues {
        /// All of them.
        uint256 total;
        /// Of those that claimed.
        uint256 settled;
        /// What the escape paid of them.
        uint256 paid;
    }

    /// What was due to one token's owners at the certified snapshot, and what the exit has settled since.
    struct TokenExit {
        bool open;
        /// Deposits up to this one, and withdrawals before this one, are in the snapshot.
        uint64 depositCursor;
        uint64 withdrawalsCount;
        /// Base units that accounts were paid after the snapshot and that no claim bears yet.
        uint256 debts;
        Dues accounts;
        /// Due first: withdrawals that were open, deposits that were not credited.
        Dues seniors;
    }

    /// What became of one leaf of the exit tree, or of one deposit that is refunded. `net`: its claim without what was paid
    /// of it before.
    struct LeafExit {
        bool settled;
        uint256 net;
        uint256 paid;
    }

    /// Base units that a debtor was paid after the snapshot: `open`, what no claim bears yet; `borne`, what its account's leaf
    /// bears, until a claim that comes before shows that it has to.
    struct Debt {
        uint256 open;
        uint256 borne;
    }

    /// What a deposit bears of its depositor's refunds, and the account that it names.
    struct Share {
        uint64 account;
        uint256 amount;
    }

    /// How many withdrawals share a word of the record of payments.
    uint256 internal constant PAYMENTS = 40;
    /// How many withdrawals roots the vault pays by.
    uint256 internal constant ROOTS = 64;
    /// Gas that each payment of a batch may use: a token that burns more fails alone.
    uint256 public constant PAYMENT_GAS = 150_000;
    /// How many times the pause period may fit into the trusting period: bounds the pauses that a withdrawal can see.
    uint256 internal constant PAUSES = 64;
    /// The end of a pause that only the settlement of a conflict ends.
    uint40 internal constant FROZEN = type(uint40).max;

    bytes32 public immutable network;
    ICertificateVerifier public immutable verifier;
    uint64 public immutable trustingPeriod;
    uint64 public immutable pausePeriod;
    /// The token that native coin is wrapped into. Payouts are in this token, never in native coin: a payment calls no
    /// receiver.
    address public immutable wrappedNative;
    uint256 internal immutable coldThreshold;

    Checkpoint internal _latest;
    /// Hash of the set that the next checkpoint must be certified by.
    bytes32 public validatorsHash;
    /// Its keys; zero between a rotation and `installValidators`.
    address public validatorsCode;
    /// Height of the checkpoint at which the guardian last paused, plus one.
    uint64 internal _pausedAtHeight;
    /// How many conflicts were settled; beside the keys, which every checkpoint reads.
    uint32 internal _branch;
    /// When the silence of the network was stated; zero: it was not.
    uint40 public escapeTriggeredAt;
    /// The newest deposit that was not walked past yet; the rolling hash up to it is `_walkHash`.
    uint40 internal _walkNonce;
    bool internal _walkStarted;

    /// The first 27 bytes of keccak(previous, nonce, token, account, amount, from): one storage proof proves that no
    /// deposit is missing. It shares a slot with the nonce, so that a deposit writes one slot for both. Two series of
    /// deposits with the same 27 bytes take some 2^108 tries to find.
    bytes27 public depositsHash;
    /// Deposits are numbered from 1 without gaps.
    uint40 public depositNonce;

    mapping(address token => AssetTerms) public assetOf;
    /// Base units credited to accounts since deployment. Storage proofs of custody read this and the next by their slots, 9
    /// and 10: they stay there.
    mapping(address token => uint256) public deposited;
    /// Base units paid out since deployment.
    mapping(address token => uint256) public withdrawn;
    /// Base units that fee-taking tokens left beyond a whole clearing unit; not owed to any account.
    mapping(address token => uint256) public dust;
    /// `PAYMENTS` withdrawals in a word. Its low 40 bits tell which of them were paid; the others are the first 27 bytes of the
    /// rolling hash of those payments, as for deposits, in the order in which they were made.
    mapping(uint256 nonceWord => bytes32) internal _payments;
    /// The last certified withdrawals roots; root `n` is at `n % ROOTS`. The tree only grows, so that what an older root
    /// proves stays true: a proof is good until `ROOTS` newer roots are certified.
    bytes32[ROOTS] internal _roots;

    mapping(address token => TokenExit) internal _exitOf;
    mapping(uint256 index => LeafExit) internal _exitLeaf;
    /// A debtor is an account, or beyond all accounts a depositor to whom stray deposits were refunded
    /// (`ExitTree.depositor`).
    mapping(address token => mapping(uint256 debtor => Debt)) internal _exitDebt;
    /// Bits of the payments that were walked past and counted as debts.
    mapping(uint256 nonceWord => uint256) internal _shown;
    bytes27 internal _walkHash;
    /// Hash of each deposit walked past, and what became of it.
    mapping(uint64 nonce => bytes32) internal _walkedDeposit;
    mapping(uint64 nonce => LeafExit) internal _refundOf;

    /// The key that may pause.
    address internal _guardian;
    /// Orders of the network before this leaf of the withdrawals tree are void.
    uint64 internal _ordersFrom;
    /// Counts the decisions of the cold quorum; each is signed for one number.
    uint32 internal _coldNonce;
    mapping(address key => bool) internal _isColdKey;
    /// All pauses, in order of time.
    Pause[] internal _pauses;
    /// By `_branch` when it was replaced: sets of a branch that was left are not believed. A set that came back is there once
    /// for each time, in order of height.
    mapping(uint32 branch => mapping(bytes32 validatorsHash => FormerSet[])) internal _formerSets;
    Conflict internal _conflict;
    /// Height of the newest choice, and how often a choice undid an earlier one above it, with all that followed from that.
    uint64 internal _chosenHeight;
    uint32 internal _era;
    /// The first height that the current set holds for; zero for the set of the deployment. Never above the height after the
    /// newest checkpoint, so that a checkpoint need not read it.
    uint64 internal _validatorsFrom;
    /// The only header of its height, by the cold quorum's choice.
    mapping(uint32 era => mapping(uint64 height => bytes32)) internal _chosen;
    /// Headers that lost a conflict, and those known to descend from one.
    mapping(uint32 era => mapping(bytes32 headerHash => bool)) internal _rejected;
    /// Of the escape, in the order of claims.
    mapping(address token => mapping(address depositor => Share[])) internal _refundShares;

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
    event Withdrawn(
        uint64 indexed nonce, address indexed token, address indexed to, uint64 account, uint256 amount
    );
    /// A withdrawal of a batch that could not be paid: it stays as it was. `withdraw` tells the reason.
    event PaymentFailed(uint64 indexed nonce);
    event Paused(uint64 until);
    event EscapeTriggered(uint64 from);
    event EscapeCancelled(uint64 indexed height);
    event ExitOpened(address indexed token, uint256 accounts, uint256 seniors);
    event ExitPaid(uint256 indexed index, address indexed token, address indexed to, uint256 amount);
    event DepositRefunded(uint64 indexed nonce, address indexed token, address indexed to, uint256 amount);
    event PauseEnded(uint64 end);
    event GuardianReplaced(address indexed guardian);
    event Frozen(uint64 indexed height, bytes32 indexed first, bytes32 indexed second);
    event BranchChosen(uint64 indexed height, bytes32 indexed chosen);

    error ZeroSetting();
    error NoCode(address token);
    error TokenListedTwice(address token);
    error TokenNotListed(address token);
    /// The nearest accepted amounts; zero is none.
    error NotAMultiple(uint256 amount, uint256 lower, uint256 upper);
    error NetworkSilent(uint256 until, uint256 time);
    /// Of what arrived, whole clearing units are credited; here they are less than the token's least deposit.
    error BelowMinimum(uint256 amount, uint256 minimum);
    error WrongNetwork(bytes32 stated, bytes32 trusted);
    error WrongValidatorSet(bytes32 stated, bytes32 trusted);
    /// The set does not hold for the height.
    error WrongHeight(bytes32 validatorsHash, uint64 height);
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
    /// Two certified headers of this height were shown.
    error IsFrozen(uint64 height);
    error NotPaused(uint64 until);
    error NotGuardian(address caller);
    error PausedAlready(uint64 height);
    error TrustingPeriodTooLong(uint256 trustingPeriod);
    error PauseTooLong(uint256 pausePeriod, uint256 trustingPeriod);
    error PauseTooShort(uint256 pausePeriod, uint256 trustingPeriod);
    error PauseTooSoon(uint256 earliest, uint256 time);
    error PauseTooLate(uint256 latestEnd, uint256 time);
    /// It was deployed for other settings.
    error WrongExtension(address extension);
    error BadColdQuorum(uint256 keys, uint256 threshold);
    error UnderColdQuorum(uint256 signed, uint256 threshold);
    /// Also for a signature that is not the next in ascending order of addresses.
    error NotAColdKey(address signer);
    error OrderVoid(uint64 nonce, uint64 from);
    error NoConflict(uint64 height, uint64 otherHeight);
    /// A lower conflict was shown after the time for it.
    error ConflictStands(uint256 until, uint256 time);
    error NotOfConflict(bytes32 header);
    error NotRejected(bytes32 header);
    error HeaderRejected(bytes32 header);
    error WrongHistory(bytes32 found, bytes32 known);
    error BaseUnknown(uint64 height);

    error NotSilent(uint256 until, uint256 time);
    error EscapeTriggeredAlready(uint64 from);
    error EscapeBegan(uint64 from);
    /// Zero: the escape was not triggered.
    error EscapeNotBegun(uint256 from, uint256 time);
    error ExitOpenAlready(address token);
    error ExitNotOpen(address token);
    error WrongTotals(address token);
    error WrongDeposit(uint64 nonce, bytes32 found, bytes32 trusted);
    error WrongPayments(uint256 nonceWord, bytes32 found, bytes32 trusted);

    /// While the guardian's pause or a conflict lasts, and once the vault pays by the exit tree only, all else is refused.
    modifier whenOpen() {
        _open();
        _;
    }

    constructor(Settings memory settings) {
        if (settings.network == 0 || settings.guardian == address(0) || settings.trustingPeriod == 0) revert ZeroSetting();
        // So that times in the vault fit 40 bits.
        if (settings.trustingPeriod > type(uint32).max) revert TrustingPeriodTooLong(settings.trustingPeriod);
        if (uint256(settings.pausePeriod) * 2 > settings.trustingPeriod) {
            revert PauseTooLong(settings.pausePeriod, settings.trustingPeriod);
        }
        if (settings.pausePeriod * PAUSES < settings.trustingPeriod) {
            revert PauseTooShort(settings.pausePeriod, settings.trustingPeriod);
        }
        if (address(settings.verifier).code.length == 0) revert NoCode(address(settings.verifier));
        network = settings.network;
        verifier = settings.verifier;
        trustingPeriod = settings.trustingPeriod;
        pausePeriod = settings.pausePeriod;
        wrappedNative = settings.wrappedNative;
        coldThreshold = settings.coldThreshold;
    }

    /// The newest certified header.
    function latest()
        external
        view
        returns (
            uint64 height,
            uint64 withdrawalsCount,
            uint64 trustedAt,
            uint64 rootNumber,
            bytes32 withdrawalsRoot,
            bytes32 exitRoot,
            bytes32 history
        )
    {
        Checkpoint storage it = _latest;
        (height, withdrawalsCount, trustedAt, rootNumber) = (it.height, it.withdrawalsCount, it.trustedAt, it.rootNumber);
        (withdrawalsRoot, exitRoot, history) = (it.withdrawalsRoot, it.exitRoot, it.history);
    }

    /// When the pause under way, or the last one, ends. Seconds; all bits are set while the vault is frozen.
    function pausedUntil() public view returns (uint40) {
        return _latest.pausedUntil;
    }

    /// From when on the vault pays by the exit tree only. Seconds; zero: no escape was triggered.
    function escapeFrom() public view returns (uint40) {
        return _latest.escapeFrom;
    }

    /// When a silent network's escape may be triggered, and deposits end: half the trusting period without a checkpoint.
    function silentFrom() public view returns (uint256) {
        return uint256(_latest.trustedAt) + trustingPeriod / 2;
    }

    /// Refuse when the vault is not open; what payments look at besides, of the same slot, which is read once.
    function _open() internal view returns (uint64 withdrawalsCount, uint64 rootNumber) {
        (uint256 paused, uint256 escape) = (_latest.pausedUntil, _latest.escapeFrom);
        (withdrawalsCount, rootNumber) = (_latest.withdrawalsCount, _latest.rootNumber);
        if (block.timestamp < paused) _revertPaused();
        if (escape != 0 && block.timestamp >= escape) revert EscapeBegan(uint64(escape));
    }

    /// What the vault has of a token. What the token says when it refuses is passed on.
    function _balance(address token) internal view returns (uint256 amount) {
        bytes4 selector = IERC20.balanceOf.selector;
        // IERC20(token).balanceOf(address(this)), without new memory: for 170 gas less, twice in each deposit and payment.
        assembly ("memory-safe") {
            mstore(0, selector)
            mstore(4, address())
            if iszero(staticcall(gas(), token, 0, 36, 0, 32)) {
                let free := mload(64)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
            if lt(returndatasize(), 32) { revert(0, 0) }
            amount := mload(0)
        }
    }

    function _revertPaused() internal view {
        if (pausedUntil() == FROZEN) revert IsFrozen(_conflict.height);
        revert IsPaused(pausedUntil());
    }

    function _requireNoEscape() internal view {
        uint256 from = _latest.escapeFrom;
        if (from != 0 && block.timestamp >= from) revert EscapeBegan(uint64(from));
    }

    /// The rolling hash of deposits, or of payments, up to and including this one. `other`: who paid in, or was paid.
    function _rolled(bytes27 before, uint64 nonce, address token, uint64 account, uint256 amount, address other)
        internal
        pure
        returns (bytes27)
    {
        // Whole words: assembly does not clear what a shorter type may leave beside its bytes.
        (bytes32 rolled, uint256 nonceWord, uint256 accountWord) = (before, nonce, account);
        (uint256 tokenWord, uint256 otherWord) = (uint256(uint160(token)), uint256(uint160(other)));
        // keccak256(abi.encode(…)) above the memory in use, for 140 gas less.
        assembly ("memory-safe") {
            let free := mload(64)
            mstore(free, rolled)
            mstore(add(free, 32), nonceWord)
            mstore(add(free, 64), tokenWord)
            mstore(add(free, 96), accountWord)
            mstore(add(free, 128), amount)
            mstore(add(free, 160), otherWord)
            rolled := keccak256(free, 192)
        }
        return bytes27(rolled);
    }
}
