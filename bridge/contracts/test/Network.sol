// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ExitLeaf, ExitPlace, ExitTotals, ExitTree, TokenAtVault} from "../src/ExitTree.sol";
import {Finality} from "../src/Finality.sol";
import {ICertificateVerifier} from "../src/ICertificateVerifier.sol";
import {ValidatorSetCode} from "../src/ValidatorSetCode.sol";
import {Vault} from "../src/Vault.sol";
import {VaultExtension} from "../src/VaultExtension.sol";
import {VaultState} from "../src/VaultState.sol";
import {Withdrawal, WithdrawalsTree} from "../src/WithdrawalsTree.sol";
import {TestToken} from "../src/test/TestToken.sol";

/// Takes every certificate.
contract AnyCertificate is ICertificateVerifier {
    function store(bytes calldata) external view returns (address) {
        return address(this);
    }

    function signedPower(bytes32, address, uint256, bytes calldata) external pure returns (uint256, uint256) {
        return (1, 1);
    }
}

/// Hashes of leaves that the libraries take from calldata.
contract Hashes {
    function withdrawal(address vault, Withdrawal calldata it) external view returns (bytes32) {
        return WithdrawalsTree.leaf(block.chainid, vault, it);
    }

    function order(address vault, uint64 nonce, address guardian) external view returns (bytes32) {
        return WithdrawalsTree.guardianOrderLeaf(block.chainid, vault, nonce, guardian);
    }

    function exit(address vault, ExitLeaf calldata it) external view returns (bytes32) {
        return ExitTree.leafHash(block.chainid, vault, it);
    }

    function totals(ExitTotals calldata it) external pure returns (bytes32) {
        return ExitTree.totalsHash(it);
    }
}

/// A clearing network of a few accounts that certifies headers of its own making, with two vault tokens.
///
/// Every leaf has a payee of its own, so that what was paid for it is its payee's balance.
contract Network {
    uint256 internal constant TOKENS = 2;
    uint256 internal constant ACCOUNTS = 3;
    uint256 internal constant LEAVES_MAX = 24;
    uint64 internal constant TRUSTING = 7 days;
    uint64 internal constant NEVER = type(uint64).max >> 1;
    address public constant GUARDIAN = address(0xa11ce);

    struct Taken {
        uint256 token;
        uint64 account;
        uint256 amount;
        address from;
    }

    Vault public immutable vault;
    /// The same address, for the functions that it has from its extension.
    VaultExtension public immutable rare;
    Hashes internal immutable hashes = new Hashes();
    bytes32 internal immutable set;
    TestToken[TOKENS] public tokens;

    Taken[] internal _taken;
    Withdrawal[] internal _released;
    /// Base units that the network has credited and not released, by token and account.
    mapping(uint256 token => mapping(uint64 account => uint256)) internal _ledger;
    uint256 internal _credited;
    uint256 internal _certified;
    uint64 internal _height;

    /// The exit tree of the newest snapshot: leaves of payments, totals of the tokens, and its nodes by level.
    ExitLeaf[] internal _leaves;
    ExitTotals[] internal _totals;
    bytes32[][] internal _nodes;
    uint64 internal _epoch;

    constructor() {
        VaultState.Settings memory settings;
        settings.network = bytes32(uint256(1));
        settings.verifier = new AnyCertificate();
        settings.guardian = GUARDIAN;
        settings.trustingPeriod = TRUSTING;
        settings.pausePeriod = 1 days;
        settings.coldThreshold = 2;
        settings.coldKeys = new address[](3);
        for (uint160 i = 0; i < 3; i++) {
            settings.coldKeys[i] = address(i + 1);
        }
        bytes memory validators =
            abi.encode(ValidatorSetCode.TAG, uint256(1), uint256(1), bytes32(0), bytes32(0), bytes32(0), bytes32(0), bytes32(0));
        set = sha256(validators);
        VaultState.Asset[] memory assets = new VaultState.Asset[](TOKENS);
        for (uint256 i = 0; i < TOKENS; i++) {
            tokens[i] = new TestToken("", "", 6);
            assets[i] = VaultState.Asset(IERC20(address(tokens[i])), 1, 1);
        }
        vault = new Vault(settings, new VaultExtension(settings), validators, assets);
        rare = VaultExtension(address(vault));
    }

    function payee(uint256 kind, uint256 number) public pure returns (address) {
        return address(uint160((kind << 64) | number | (1 << 128)));
    }

    function takenCount() external view returns (uint256) {
        return _taken.length;
    }

    function taken(uint256 i) external view returns (Taken memory) {
        return _taken[i];
    }

    function releasedCount() external view returns (uint256) {
        return _released.length;
    }

    function released(uint256 i) external view returns (Withdrawal memory) {
        return _released[i];
    }

    function leafCount() external view returns (uint256) {
        return _leaves.length;
    }

    function leaf(uint256 i) external view returns (ExitLeaf memory) {
        return _leaves[i];
    }

    /// Certify a header with all releases so far, and with a new exit tree if an epoch `closes`.
    function _certify(bool closes) internal {
        for (; _credited < _taken.length; _credited++) {
            Taken storage it = _taken[_credited];
            _ledger[it.token][it.account] += it.amount;
        }
        (uint256 certified, uint64 height) = (_released.length, _height + 1);
        bytes32 exitRoot = closes ? _snapshot() : _exitRoot();
        bytes memory words = bytes.concat(
            abi.encode(Finality.HEADER_TAG, vault.network(), bytes32(0), height, block.timestamp * 1000, 0, bytes32(uint256(1)), 0),
            abi.encode(0, _withdrawalsRoot(certified), certified, exitRoot, 0, set, set, 0)
        );
        vault.checkpoint(words, VaultState.Certificate(0, 1, ""));
        (_certified, _height) = (certified, height);
    }

    function _withdrawalsRoot(uint256 count) internal view returns (bytes32) {
        return _foldUp(count, 0, new bytes32[](0));
    }

    /// The siblings of leaf `index`.
    function _siblings(uint256 index) internal view returns (bytes32[] memory siblings) {
        siblings = new bytes32[](WithdrawalsTree.DEPTH);
        _foldUp(_certified, index, siblings);
    }

    function _foldUp(uint256 width, uint256 index, bytes32[] memory siblings) private view returns (bytes32) {
        bytes32[] memory nodes = new bytes32[](width == 0 ? 1 : width);
        for (uint256 i = 0; i < width; i++) {
            nodes[i] = hashes.withdrawal(address(vault), _released[i]);
        }
        bytes32 empty;
        for (uint256 level = 0; level < WithdrawalsTree.DEPTH; level++) {
            if (siblings.length != 0) siblings[level] = (index ^ 1) < width ? nodes[index ^ 1] : empty;
            for (uint256 i = 0; i < width; i += 2) {
                nodes[i / 2] = keccak256(abi.encode(nodes[i], i + 1 < width ? nodes[i + 1] : empty));
            }
            if (width == 0) nodes[0] = keccak256(abi.encode(empty, empty));
            empty = keccak256(abi.encode(empty, empty));
            (width, index) = ((width + 1) / 2, index / 2);
        }
        return nodes[0];
    }

    /// Close an epoch: what is due to accounts, and the withdrawals that are open.
    function _snapshot() private returns (bytes32) {
        delete _leaves;
        delete _totals;
        _epoch++;
        for (uint256 token = 0; token < TOKENS; token++) {
            address at = address(tokens[token]);
            (TokenAtVault memory own, TokenAtVault memory next) = (_atVault(token), _atVault((token + 1) % TOKENS));
            ExitTotals memory totals =
                ExitTotals(_epoch, own, 0, 0, 0, uint64(_credited), uint64(_released.length), next);
            for (uint64 account = 0; account < ACCOUNTS; account++) {
                uint256 due = _ledger[token][account];
                if (due == 0) continue;
                totals.accounts += due;
                _leaves.push(ExitLeaf(0, ExitTree.ACCOUNT, _epoch, account, at, payee(1, account), due, account, 0));
            }
            for (uint64 nonce = 0; nonce < _released.length; nonce++) {
                Withdrawal storage it = _released[nonce];
                if (it.token != at || vault.isPaid(nonce)) continue;
                totals.seniors += it.amount;
                _leaves.push(ExitLeaf(0, ExitTree.WITHDRAWAL, _epoch, nonce, at, it.to, it.amount, it.account, it.notAfter));
            }
            for (uint256 i = 0; i < _credited; i++) {
                if (_taken[i].token == token) totals.counted += _taken[i].amount;
            }
            _totals.push(totals);
        }
        _plant();
        return _exitRoot();
    }

    function _atVault(uint256 token) private view returns (TokenAtVault memory) {
        return TokenAtVault(block.chainid, address(vault), address(tokens[token]));
    }

    /// Build the tree: payments, then totals; empty places are zero.
    function _plant() private {
        delete _nodes;
        uint256 count = _leaves.length + TOKENS;
        bytes32[] memory nodes = new bytes32[](count);
        for (uint256 i = 0; i < _leaves.length; i++) {
            nodes[i] = hashes.exit(address(vault), _leaves[i]);
        }
        for (uint256 i = 0; i < TOKENS; i++) {
            nodes[_leaves.length + i] = hashes.totals(_totals[i]);
        }
        _nodes.push(nodes);
        while (nodes.length > 1) {
            bytes32[] memory parents = new bytes32[]((nodes.length + 1) / 2);
            for (uint256 i = 0; i < parents.length; i++) {
                bytes32 right = 2 * i + 1 < nodes.length ? nodes[2 * i + 1] : bytes32(0);
                parents[i] = sha256(abi.encode(sha256("crossclear/merkle/node/v1"), nodes[2 * i], right));
            }
            _nodes.push(parents);
            nodes = parents;
        }
    }

    function _exitRoot() private view returns (bytes32) {
        if (_nodes.length == 0) return 0;
        bytes32 top = _nodes[_nodes.length - 1][0];
        return sha256(abi.encode(sha256("crossclear/merkle/root/v1"), _nodes[0].length, top));
    }

    function _place(uint256 index) internal view returns (ExitPlace memory place) {
        if (_nodes.length == 0) return place;
        (place.index, place.count, place.path) = (index, _nodes[0].length, new bytes32[](_nodes.length - 1));
        for (uint256 level = 0; level < place.path.length; level++) {
            uint256 sibling = (index >> level) ^ 1;
            if (sibling < _nodes[level].length) place.path[level] = _nodes[level][sibling];
        }
    }
}
