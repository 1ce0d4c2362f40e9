// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {MerkleTree} from "./MerkleTree.sol";

/// A payment of the exit tree. `number` is the account, also of a deposit, the nonce of the withdrawal, or the number of the
/// refund.
struct ExitLeaf {
    bytes32 salt;
    uint8 kind;
    uint64 epoch;
    uint64 number;
    address token;
    address to;
    uint256 amount;
    /// Whose payment it is; of a withdrawal, the account that it was taken from.
    uint64 account;
    /// Of a withdrawal, as in its own tree; else zero.
    uint64 notAfter;
}

/// A token of a vault.
struct TokenAtVault {
    uint256 chainId;
    address vault;
    address token;
}

/// What is due to all owners of one token of one vault at the snapshot of an epoch. All totals of a tree form a ring.
struct ExitTotals {
    uint64 epoch;
    TokenAtVault own;
    /// Sum of the leaves of accounts.
    uint256 accounts;
    /// Sum of all other leaves.
    uint256 seniors;
    /// Sum of the deposits up to `depositCursor`.
    uint256 counted;
    uint64 depositCursor;
    /// Withdrawals released by then, over all vaults.
    uint64 withdrawalsCount;
    /// The next token of which the tree has totals, in order of chain, vault and address; after the last comes the first.
    TokenAtVault next;
}

/// Where a leaf stands in the tree, and the siblings that prove it.
struct ExitPlace {
    uint256 index;
    uint256 count;
    bytes32[] path;
}

/// The exit tree of an epoch, byte for byte as the network's.
library ExitTree {
    uint8 internal constant TOTALS = 0;
    uint8 internal constant ACCOUNT = 1;
    /// A withdrawal that was released and not paid.
    uint8 internal constant WITHDRAWAL = 2;
    /// A deposit that was counted, and waits to be credited.
    uint8 internal constant DEPOSIT = 3;
    /// A depositor's deposits that are to be refunded.
    uint8 internal constant REFUND = 4;
    /// The network's tagged hash of "crossclear/exit-tree/v2/empty": the root while no epoch has closed.
    bytes32 private constant NO_EXITS = 0xe1d0ea073dba6667d885de0c02e487b0a1c99846a66921919f7d90465b182793;

    /// The account of withdrawals that refund stray deposits, as the network numbers it.
    uint64 internal constant STRAY_ACCOUNT = 2 ** 48 + 5;

    error WrongLeafKind(uint256 kind);

    /// The debtor that a depositor without an account is.
    function depositor(address owner) internal pure returns (uint256) {
        return (uint256(1) << 160) | uint160(owner);
    }

    /// Whose claims a payment after the snapshot is deducted from.
    function debtor(uint64 account, address to) internal pure returns (uint256) {
        return account == STRAY_ACCOUNT ? depositor(to) : account;
    }

    /// Whether a root, zero before the first checkpoint, has no tree.
    function isEmpty(bytes32 root) internal pure returns (bool) {
        return root == 0 || root == NO_EXITS;
    }

    /// Whether these totals show that the tree has none of a token: it lies between theirs and the next, or outside of all
    /// where theirs is the last.
    function skips(ExitTotals calldata totals, TokenAtVault memory token) internal pure returns (bool) {
        bool after_ = isBefore(totals.own, token);
        bool before = isBefore(token, totals.next);
        return isBefore(totals.own, totals.next) ? after_ && before : after_ || before;
    }

    function isBefore(TokenAtVault memory one, TokenAtVault memory other) internal pure returns (bool) {
        if (one.chainId != other.chainId) return one.chainId < other.chainId;
        if (one.vault != other.vault) return one.vault < other.vault;
        return one.token < other.token;
    }

    function isSame(TokenAtVault memory one, TokenAtVault memory other) internal pure returns (bool) {
        return one.chainId == other.chainId && one.vault == other.vault && one.token == other.token;
    }

    function leafHash(uint256 chainId, address vault, ExitLeaf calldata leaf) internal pure returns (bytes32) {
        if (leaf.kind < ACCOUNT || leaf.kind > REFUND) revert WrongLeafKind(leaf.kind);
        return MerkleTree.leafOf(
            abi.encode(
                leaf.salt,
                uint256(leaf.kind),
                leaf.epoch,
                chainId,
                vault,
                leaf.number,
                leaf.token,
                leaf.to,
                leaf.amount,
                leaf.account,
                leaf.notAfter
            )
        );
    }

    function totalsHash(ExitTotals calldata totals) internal pure returns (bytes32) {
        return MerkleTree.leafOf(abi.encode(uint256(TOTALS), totals));
    }

    function rootFrom(bytes32 hash, ExitPlace calldata place) internal view returns (bytes32) {
        return MerkleTree.rootFrom(hash, place.index, place.count, place.path);
    }
}
