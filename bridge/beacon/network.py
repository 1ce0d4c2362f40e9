"""`BeaconNetwork`: what differs between beacon chains, and what a slot means in one.

Rule: no network is named here; the profiles have them. A fork that is not listed is not known: its signatures do not
verify here, so an upgrade of Ethereum that this version lacks stops the light client and never misleads it.
"""

from dataclasses import dataclass

from clearing.base.hashing import sha256

DOMAIN_SYNC_COMMITTEE = bytes.fromhex("07000000")
"""Consensus specifications, altair/beacon-chain.md, "Domain types"."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a fork shapes what the light client reads: generalized indices into `BeaconState`, and the header.

    Source: consensus specifications, altair, capella, deneb and electra/light-client/sync-protocol.md, "Constants".
    """

    current_committee: int
    next_committee: int
    finalized_root: int
    has_blob_gas: bool
    """Whether execution headers have `blob_gas_used` and `excess_blob_gas`."""


EXECUTION_PAYLOAD = 25
"""Generalized index of the execution header's root in `BeaconBlockBody`, since Capella
(capella/light-client/sync-protocol.md, "Constants")."""
CAPELLA = Layout(54, 55, 105, has_blob_gas=False)
DENEB = Layout(54, 55, 105, has_blob_gas=True)
ELECTRA = Layout(86, 87, 169, has_blob_gas=True)
"""Fulu did not change it."""


@dataclass(frozen=True, slots=True)
class Fork:
    """From `epoch` on, `version` (4 bytes) is signed for and `layout` is read."""

    epoch: int
    version: bytes
    layout: Layout


@dataclass(frozen=True, slots=True)
class BeaconNetwork:
    """One beacon chain. `forks` ascend by epoch; what is before the first of them is refused."""

    genesis_time: int
    """Unix seconds."""
    genesis_validators_root: bytes
    forks: tuple[Fork, ...]
    committee_size: int = 512
    slots_per_epoch: int = 32
    epochs_per_period: int = 256
    """A sync committee signs for one period."""
    seconds_per_slot: int = 12

    def period(self, slot: int) -> int:
        """The sync committee period of a slot (altair/validator.md, `compute_sync_committee_period`)."""
        return slot // (self.slots_per_epoch * self.epochs_per_period)

    def slot_at(self, unix_seconds: float) -> int:
        """The slot that has begun at a time; 0 before genesis."""
        return max(int(unix_seconds - self.genesis_time), 0) // self.seconds_per_slot

    def time_of(self, slot: int) -> int:
        """When a slot begins, in Unix seconds."""
        return self.genesis_time + slot * self.seconds_per_slot

    def fork_at(self, slot: int) -> Fork | None:
        """The fork in force at a slot; None before the first one listed."""
        epoch = slot // self.slots_per_epoch
        return next((fork for fork in reversed(self.forks) if fork.epoch <= epoch), None)

    def signing_root(self, header_root: bytes, fork: Fork) -> bytes:
        """What a sync committee signs under `fork` for the header of this root.

        Source: phase0/beacon-chain.md, `compute_domain` and `compute_signing_root`.
        """
        fork_data = sha256(fork.version.ljust(32, b"\0") + self.genesis_validators_root)
        return sha256(header_root + DOMAIN_SYNC_COMMITTEE + fork_data[:28])
