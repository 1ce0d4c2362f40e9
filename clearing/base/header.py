"""`Header`: what one height commits to. Its hash is the value that consensus certifies.

Rule: the hash is SHA-256 over 16 fixed words of 32 bytes, which the vault contract reads by offset. Data of variable
length enters it only through a root. A change of layout needs a new version tag.
"""

from functools import cached_property
from typing import Annotated

import msgspec

from clearing.base.codec import U63, Bytes20, Bytes32, Wire, u256
from clearing.base.hashing import sha256, tag_prefix, tagged_hash
from clearing.base.ids import Hash32

HEADER_TAG = "crossclear/header/v1"
STATE_TAG = "crossclear/state-root/v1"
DEPOSITS_TAG = "crossclear/deposit-cursors/v1"
CHAINS_MAX = 64
"""Largest number of deposit cursors. Every decoder refuses more, so no reader hashes a header without end."""
MODULES_MAX = 16
"""Largest number of module roots, as of `CHAINS_MAX`."""


class DepositCursor(Wire, frozen=True):
    """The credited deposits of one vault: all nonces up to and including `nonce`."""

    chain_id: U63
    vault: Bytes20
    nonce: U63


class Header(Wire, frozen=True, dict=True):
    """One height. `module_roots` are opaque here; `clearing.state` defines the module of each."""

    network: Bytes32
    parent: Bytes32
    """Hash of the previous header; the network id at height 1."""
    height: U63
    time_ms: U63
    payload_root: Bytes32
    """Root of the block's contents beside the header: payload, commit certificate, extensions, evidence."""
    module_roots: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MODULES_MAX)]
    """Roots of the state *after* this block, one a module."""
    commitments_root: Bytes32
    """Commitments and statement of the epoch snapshot taken at `commitments_height`; zero before the first."""
    commitments_height: U63
    withdrawals_root: Bytes32
    """Keccak root of the append-only withdrawals tree, `withdrawals_count` leaves."""
    withdrawals_count: U63
    exit_root: Bytes32
    epoch: U63
    validators_hash: Bytes32
    """Hash of the set that certifies this header."""
    next_validators_hash: Bytes32
    deposit_cursors: Annotated[tuple[DepositCursor, ...], msgspec.Meta(max_length=CHAINS_MAX)]
    """Ordered by (chain id, vault)."""

    @cached_property
    def state_root(self) -> Hash32:
        """Tagged hash over the module roots."""
        return tagged_hash(STATE_TAG, u256(len(self.module_roots)), *self.module_roots)

    @cached_property
    def words(self) -> bytes:
        """The 512 bytes that are hashed, and that the vault contract receives."""
        cursors = b"".join(u256(c.chain_id) + c.vault.rjust(32, b"\0") + u256(c.nonce) for c in self.deposit_cursors)
        return b"".join(
            (
                tag_prefix(HEADER_TAG),
                self.network,
                self.parent,
                u256(self.height),
                u256(self.time_ms),
                self.payload_root,
                self.state_root,
                self.commitments_root,
                u256(self.commitments_height),
                self.withdrawals_root,
                u256(self.withdrawals_count),
                self.exit_root,
                u256(self.epoch),
                self.validators_hash,
                self.next_validators_hash,
                tagged_hash(DEPOSITS_TAG, cursors),
            )
        )

    @cached_property
    def hash(self) -> Hash32:
        """The value id."""
        return sha256(self.words)
